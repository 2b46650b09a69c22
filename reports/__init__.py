"""Tables, plots and the HTML page; reads results and knows nothing of torch."""

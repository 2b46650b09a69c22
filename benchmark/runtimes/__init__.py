"""What executes a network, each runtime in a file of its own behind one interface (prepared.py); any nn.Module."""

"""The instruments: FLOPs, latency, memory and the conditions of a measurement."""

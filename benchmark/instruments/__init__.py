"""Clocks, memory, statistics and the conditions of a measurement: they know any nn.Module, and none of ours."""

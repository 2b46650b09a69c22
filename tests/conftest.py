"""One thread per test process: the suite runs in several, and threads that wait for each other cost minutes."""

import torch

torch.set_num_threads(1)

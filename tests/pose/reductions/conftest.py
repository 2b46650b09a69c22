import pytest
import torch

from posebench import create_model


@pytest.fixture
def lively():
    """create_model with weights large enough that attention, and so every choice, differs from token to token."""

    def make(name="tmpose_tiny", **options):
        torch.manual_seed(3)
        model = create_model(name, **options).eval()
        with torch.no_grad():
            for entry, value in model.named_parameters():
                if value.dim() > 1 and "position" not in entry:
                    value.normal_(0, 2 / value[0].numel() ** 0.5)
        return model

    return make


@pytest.fixture
def features():
    """(2, 48, 24, 18): what the tiny backbone hands on."""
    return torch.randn(2, 48, 24, 18, generator=torch.Generator().manual_seed(5))

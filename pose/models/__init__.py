"""The model zoo: TokenPose, TMPose and their backbones."""

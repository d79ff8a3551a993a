"""nn: layers, losses and regularizers for perceptrons and custom models, with PyTorch's names."""

from . import functional, init
from .activations import ELU, GELU, LeakyReLU, ReLU, Sigmoid, SiLU, Softmax, Softplus, Tanh
from .dropout import Dropout
from .linear import Linear
from .losses import BCEWithLogitsLoss, CrossEntropyLoss, Loss, MSELoss
from .mlp import MLP
from .module import Module, Parameter, Sequential
from .regularizers import L1, L2, Regularizer

__all__ = [
    "ELU",
    "GELU",
    "L1",
    "L2",
    "MLP",
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "Dropout",
    "LeakyReLU",
    "Linear",
    "Loss",
    "MSELoss",
    "Module",
    "Parameter",
    "ReLU",
    "Regularizer",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
    "functional",
    "init",
]

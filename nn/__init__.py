"""nn: layers, losses and regularizers for perceptrons and custom models, with PyTorch's names."""

from . import functional, init
from .activations import ELU, GELU, LeakyReLU, ReLU, Sigmoid, SiLU, Softmax, Softplus, Tanh
from .constraints import Constraint, MaxNorm, NonNegative, UnitNorm
from .containers import ModuleDict, ModuleList, Sequential
from .dropout import AlphaDropout, Dropout
from .embedding import Embedding
from .linear import Bilinear, Linear
from .losses import BCEWithLogitsLoss, CrossEntropyLoss, Loss, MSELoss
from .mlp import MLP
from .module import Module, Parameter
from .norm import BatchNorm1d, LayerNorm, RMSNorm
from .regularizers import L1, L2, ElasticNet, Orthogonal, Regularizer
from .structure import Flatten, Identity, Lambda, Residual, Unflatten

__all__ = [
    "ELU",
    "GELU",
    "L1",
    "L2",
    "MLP",
    "AlphaDropout",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "Bilinear",
    "Constraint",
    "CrossEntropyLoss",
    "Dropout",
    "ElasticNet",
    "Embedding",
    "Flatten",
    "Identity",
    "Lambda",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "Loss",
    "MSELoss",
    "MaxNorm",
    "Module",
    "ModuleDict",
    "ModuleList",
    "NonNegative",
    "Orthogonal",
    "Parameter",
    "RMSNorm",
    "ReLU",
    "Regularizer",
    "Residual",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
    "Unflatten",
    "UnitNorm",
    "functional",
    "init",
]

"""Optimizers, learning-rate schedules, early stopping and the training loop."""

from . import augment
from .annealing import SWALR, CosineAnnealingLR, CosineAnnealingWarmRestarts
from .averaging import EMA, SWA, update_bn
from .clipping import clip_grad_adaptive_, clip_grad_norm_, clip_grad_value_
from .combinations import ChainedScheduler, SequentialLR, warm_up
from .cycles import CyclicLR, OneCycleLR
from .early_stopping import EarlyStopping
from .first_order import SGD, Adam, AdamW
from .history import History
from .hyperparameters import HyperparameterError
from .optimizer import Optimizer
from .piecewise import PiecewiseLR
from .plateau import ReduceLROnPlateau
from .rule import rule
from .schedule import Schedule
from .schedules import (
    ConstantLR,
    ExponentialLR,
    InverseTimeLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from .structured import LAMB
from .training import fit

__all__ = [
    "EMA",
    "LAMB",
    "SGD",
    "SWA",
    "SWALR",
    "Adam",
    "AdamW",
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "EarlyStopping",
    "ExponentialLR",
    "History",
    "HyperparameterError",
    "InverseTimeLR",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "Optimizer",
    "PiecewiseLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "Schedule",
    "SequentialLR",
    "StepLR",
    "augment",
    "clip_grad_adaptive_",
    "clip_grad_norm_",
    "clip_grad_value_",
    "fit",
    "rule",
    "update_bn",
    "warm_up",
]

"""Optimizers, learning-rate schedules, early stopping and the training loop."""

from . import augment
from .adaptive import Adadelta, Adagrad, RMSprop
from .annealing import SWALR, CosineAnnealingLR, CosineAnnealingWarmRestarts
from .averaging import EMA, SWA, update_bn
from .clipping import clip_grad_adaptive_, clip_grad_norm_, clip_grad_value_
from .combinations import ChainedScheduler, SequentialLR, warm_up
from .cycles import CyclicLR, OneCycleLR
from .early_stopping import EarlyStopping
from .factored import SM3, Adafactor, NovoGrad
from .first_order import ASGD, SGD, Adam, AdamW
from .history import History
from .hyperparameters import HyperparameterError
from .many import fit_many
from .moments import AdaBelief, Adamax, Adan, NAdam, RAdam, Yogi
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
from .signs import Lion, Rprop, SignSGD
from .structured import LAMB, LARS
from .training import fit

__all__ = [
    "ASGD",
    "EMA",
    "LAMB",
    "LARS",
    "SGD",
    "SM3",
    "SWA",
    "SWALR",
    "AdaBelief",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Adan",
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
    "Lion",
    "MultiStepLR",
    "MultiplicativeLR",
    "NAdam",
    "NovoGrad",
    "OneCycleLR",
    "Optimizer",
    "PiecewiseLR",
    "PolynomialLR",
    "RAdam",
    "RMSprop",
    "ReduceLROnPlateau",
    "Rprop",
    "Schedule",
    "SequentialLR",
    "SignSGD",
    "StepLR",
    "Yogi",
    "augment",
    "clip_grad_adaptive_",
    "clip_grad_norm_",
    "clip_grad_value_",
    "fit",
    "fit_many",
    "rule",
    "update_bn",
    "warm_up",
]

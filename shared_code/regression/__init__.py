"""Federated regressions: the model table a notebook prepares, a site's answer to one round, and the rounds themselves."""

from shared_code.regression.predictions import model_frame, predicted
from shared_code.regression.tables import case_table, open_model, save_model

__all__ = ["case_table", "model_frame", "open_model", "predicted", "save_model"]

"""What the disclosure rules say of the models of a study at one site, before any of their steps is asked for."""

from __future__ import annotations

from pathlib import Path

from shared_code.config.plan import Plan
from shared_code.config.study import Policy, Study
from shared_code.disclosure.rules_models import FEWEST_DEGREES, FEWEST_PER_PARAMETER, PEOPLE_PER_PARAMETER, step_faults
from shared_code.model import ALL
from shared_code.regression.steps import step_table
from shared_code.regression.tables import ModelTable, model_path, open_model


def checks_of(study: Study, results: Path, stems: list[str], policy: Policy) -> dict[str, dict[str, str]]:
    """Check every model whose table the site has made: title of the model -> what was checked -> outcome.

    results  folder with one folder per analysis     stems  analyses that are part of the release
    """
    return {
        model.title: model_checks(open_model(Plan(study, stem), results / stem, name), policy)
        for stem in stems for name, model in study.analyses[stem].models.items()
        if model_path(results / stem, name).is_file()
    }  # fmt: skip


def model_checks(table: ModelTable, policy: Policy) -> dict[str, str]:
    """Say how many people stand behind a model at a site, by the rules for model outputs (methods specification 11.3).

    Gives what was checked -> the number and what is asked, for the site's own eyes; last, whether its steps may leave.
    """
    family = table.model.family
    step = step_table(table, [0.0] * len(table.model.columns), 0.0 if family == "negative_binomial" else None, False, 1)
    total = step[(step["term"] == ALL) & (step["by"] == ALL)].iloc[0]
    people, cases, others = (int(total[name]) for name in ("people", "cases", "others"))
    p = int(((step["by"] == step["term"]) & (step["term"] != ALL) & (step["hessian"] != 0)).sum())
    fewest = step["fewest"][step["fewest"] > 0]
    t = policy.smallest_shown
    reasons = [f"{reason} ({mend[0].lower()}{mend[1:]})" for reason, mend in step_faults(step, policy)]
    each = max(p, 1)
    return {
        "people and parameters": f"{people:,} and {p}",
        "residual degrees of freedom": f"{people - p:,} (at least {FEWEST_DEGREES})",
        "people per parameter": f"{people / each:,.0f} (at least {PEOPLE_PER_PARAMETER})",
        "people with the outcome, and without it, per parameter":
            f"{cases / each:,.1f} and {others / each:,.1f} (at least {FEWEST_PER_PARAMETER})",
        "fewest people in a level or a pair of levels, with or without the outcome":
            f"{fewest.min():,.0f} (none, or at least {t})" if len(fewest) else "nobody",
        "steps of this model": "may leave" if not reasons else f"are refused: {'; '.join(reasons)}",
    }  # fmt: skip

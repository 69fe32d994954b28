"""What the form of a recipe asks: the settings that there are, and what they will be."""

from __future__ import annotations

from typing import Any

from ..kit.settings import as_text, read_settings, setting_fields
from .table import PREFIX, Answer, Asked, Route, json_answer


def settings(asked: Asked) -> Answer:
    """The settings in their groups, as they are declared."""
    del asked
    return json_answer({"groups": setting_fields()})


def resolve(asked: Asked) -> Answer:
    """What the settings of a recipe will be; see ``engine/training/resolved.py``."""
    from ...engine.data.goals import USUAL
    from ...engine.training.quality import STEPS
    from ...engine.training.recipe import problems_with
    from ...engine.training.resolved import by_setting, learning_rates, noise_levels, read_known
    from ...engine.training.resolved import resolve as resolved

    goal, quality, text = (asked.body.get(name) for name in ("goal", "quality", "settings"))
    if not isinstance(text, str) or goal not in [*USUAL] or quality not in [*STEPS]:
        return json_answer({"error": {"message": "Expected a goal, a quality, and settings as text."}}, status=400)
    given, problems = read_settings(text)
    wrong = {name: told for name, value in given.items() if (told := problems_with({name: value}))}
    valid = {name: value for name, value in given.items() if name not in wrong}
    together = [] if wrong else problems_with(valid)
    known = read_known(asked.body.get("known"))
    told = resolved(goal, quality, {} if together else valid, known)
    problems = [*problems, *(line for lines in wrong.values() for line in lines), *together, *told.problems]
    answer: dict[str, Any] = {
        "values": {
            name: {"value": None if own.value is None else as_text(own.value), "from": own.source}
            for name, own in told.values.items()
        },
        "base": known.base,
        "whole": told.recipe is not None,
        "problems": by_setting(problems),
        "unused": [{"setting": name, "message": message} for name, message in told.unused.items()],
        "learning_rates": learning_rates(told),
        "noise_levels": noise_levels(told, known),
    }
    return json_answer(answer)


ROUTES = [Route("GET", f"{PREFIX}recipe/settings", settings), Route("POST", f"{PREFIX}recipe/resolve", resolve)]

"""What was chosen in a config: the options that are not at their default."""

from __future__ import annotations

from clfkit.config import ExperimentConfig, leaves
from clfkit.options import Options
from clfkit.registry import Component, plain
from clfkit.wording import shown


def own_choices(config: ExperimentConfig) -> dict[str, tuple[str, str | None]]:
    """Every option that is not at its default, by its dotted key: its value and the default, None where it has none.

    The defaults of a component's options are those of the chosen component.
    """
    defaults = _defaults(config)
    return {key: (value, defaults.get(key)) for key, value in leaves(config).items() if defaults.get(key) != value}


def _defaults(group: Options, prefix: str = "", untouched: Options | None = None) -> dict[str, str]:
    """What `leaves` gives where every option has its default, those of the chosen components.

    untouched: the group as it is by default, where that may be other than what its fields say.
    """
    found: dict[str, str] = {}
    for key, info in type(group).model_fields.items():
        name, value = f"{prefix}.{key}" if prefix else key, getattr(group, key)
        if untouched is not None:
            default = getattr(untouched, key)
        else:
            default = None if info.is_required() else info.get_default(call_default_factory=True)
        if isinstance(value, Component):
            if default is not None:
                found[f"{name}.name"] = shown(default.name if isinstance(default, Component) else default)
            found |= _defaults(value.options, name)
        elif isinstance(value, Options) and isinstance(default, Options):
            found |= _defaults(value, name, default)
        elif not isinstance(value, Options) and (untouched is not None or not info.is_required()):
            found[name] = shown(plain(default), 200)
    return found

"""A bank's own file over its base: it states what differs, and the rest is inherited.

- A table is merged key by key. A table that names a `preset` replaces the base's whole table.
- A list replaces the base's list. A list of tables that all have a `name` is merged by name: an
  entry the base knows changes it in place, a new one stands after the entry written before it (or
  last), and `{ name = "…", remove = true }` takes one out.
- `name` and `version` are never inherited: other rules are another policy.
- `[rule] preset = "…"` starts from the entry of `[[rule_presets]]` with that name; whoever changes
  a key of it gives the rule a `name` of its own.
"""

from __future__ import annotations

from typing import Any, TypeGuard

from stockcust_analysis.errors import did_you_mean

Table = dict[str, Any]
_NOT_INHERITED = {"name", "version", "base"}
# Two ways to state one thing: whoever states one drops the other.
_ALTERNATIVES = {"idle_months": "idle_days", "idle_days": "idle_months"}


def inherited(base: Table, own: Table, problems: list[str]) -> Table:
    """Return the rules of a bank's own file laid over those of its base.

    >>> base = {"version": "1", "bases": {"funded": 100, "effective": 10_000}}
    >>> inherited(base, {"bases": {"effective": 20_000}}, [])
    {'bases': {'funded': 100, 'effective': 20000}}
    """
    kept = {key: value for key, value in base.items() if key not in _NOT_INHERITED}
    return _merged(kept, own, "", problems)


def with_presets(table: Table, problems: list[str]) -> Table:
    """Return the table with every rule that names a preset written out in full."""
    return {
        key: _written_out(key, value, table, problems)
        if isinstance(value, dict) and "preset" in value
        else value
        for key, value in table.items()
    }


def _written_out(key: str, rule: Table, table: Table, problems: list[str]) -> Table:
    """Return a rule that names a preset as that preset with its own changes."""
    presets = table.get(f"{key}_presets", [])
    known = {preset["name"]: preset for preset in presets} if _named(presets) else {}
    name = str(rule["preset"])
    own = {other: value for other, value in rule.items() if other != "preset"}
    if name not in known:
        problems.append(
            f"{key}.preset: unknown preset '{name}'.{did_you_mean(name, known)} "
            f"Available: {', '.join(known)}."
        )
        return own
    if own and own.get("name", name) == name:
        problems.append(f"{key}: differs from preset '{name}'. Give it a name of its own.")
    dropped = {_ALTERNATIVES.get(other) for other in own}
    return {other: value for other, value in known[name].items() if other not in dropped} | own


def _merged(base: Table, own: Table, where: str, problems: list[str]) -> Table:
    """Return `base` with every key of `own` laid over it."""
    return base | {
        key: _over(base.get(key), value, f"{where}.{key}".lstrip("."), problems)
        for key, value in own.items()
    }


def _over(base: object, own: object, where: str, problems: list[str]) -> object:
    """Return one value of the own file laid over the base's."""
    if isinstance(base, dict) and isinstance(own, dict) and "preset" not in own:
        return _merged(base, own, where, problems)
    if _named(base) and _named(own):
        return _by_name(base, own, where, problems)
    return own


def _by_name(base: list[Table], own: list[Table], where: str, problems: list[str]) -> list[Table]:
    """Return a list of named tables with the own entries changed, added and removed."""
    entries = {entry["name"]: entry for entry in base}
    order, place, told = list(entries), len(entries), set()
    for entry in own:
        name = entry["name"]
        if name in told:
            problems.append(f"{where}: '{name}' is stated twice.")
        told.add(name)
        if "remove" not in entry:
            if name not in order:
                order.insert(place, name)
            place = order.index(name) + 1
            entries[name] = _merged(entries.get(name, {}), entry, f"{where}[{name}]", problems)
        elif entry["remove"] is True and len(entry) == 2 and name in order:
            place = order.index(name)
            order.remove(name)
        else:
            close = did_you_mean(name, order) if name not in order else " Write only remove = true."
            problems.append(f"{where}: cannot remove '{name}'.{close}")
    return [entries[name] for name in order]


def _named(value: object) -> TypeGuard[list[Table]]:
    """Return whether a value is a list of tables that all have a name."""
    return (
        isinstance(value, list)
        and value != []
        and all(isinstance(one, dict) and isinstance(one.get("name"), str) for one in value)
    )

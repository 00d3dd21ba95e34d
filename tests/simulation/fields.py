"""Server-side apply on plain documents: which fields there are, who owns them, and what an apply makes of both. Pure.

A field is the path to a value that is not itself made of fields. An item of a list that has keys (containers by name,
conditions by type) is a step of the path; any other list is one value.
"""

KEYS = {
    "conditions": "type", "containers": "name", "env": "name", "ownerReferences": "uid", "volumeMounts": "mountPath",
    "volumes": "name",
}  # fmt: skip


class Conflict(Exception):  # noqa: N818 - a conflict is an answer
    """Fields that another manager has set otherwise."""


def fields_of(document, path=()):
    """The fields of a document, by path."""
    fields = {}
    _gather(document, path, fields)
    return fields


def _gather(document, path, fields):
    if document and isinstance(document, dict):
        for step, item in document.items():
            _gather(item, (*path, step), fields)
    elif document and isinstance(document, list) and path and (key := KEYS.get(path[-1])):
        for each in document:
            _gather(each, (*path, (key, each[key])), fields)
    else:
        fields[path] = document


def document_of(fields):
    """The document that has these fields."""
    document = {}
    for path, value in fields.items():
        *way, last = path
        inner = document
        for step in way:
            inner = inner.setdefault(step, {})
        inner[last] = value
    return _with_lists(document)


def _with_lists(value):
    if not isinstance(value, dict) or not value:
        return value
    if isinstance(next(iter(value)), tuple):
        return [_with_lists(each) for each in value.values()]
    return {step: _with_lists(each) for step, each in value.items()}


def applied(fields, owners, *, wanted, manager, force):
    """(fields, owners) once ``manager`` says that the fields it cares for are ``wanted``.

    What it owned and no longer names goes, unless somebody else owns it, too.
    """
    changed = {path for path, value in wanted.items() if fields.get(path, value) != value}
    rivals = {path for path in changed if owners.get(path, frozenset()) - {manager}}
    if rivals and not force:
        raise Conflict(f"conflict with other managers: {sorted(map(str, rivals))}")
    dropped = {path for path, names in owners.items() if names == {manager} and path not in wanted}
    hollow = {path[:length] for path in wanted for length in range(1, len(path))}  # {} where there is something now
    kept = {path: value for path, value in fields.items() if path not in dropped and path not in hollow}
    said = {path: value for path, value in wanted.items() if value != {} or not _has_inside(kept, path)}
    named = {path: names - {manager} for path, names in owners.items() if names != {manager}}
    for path in wanted:
        named[path] = {manager} if path in rivals else named.get(path, frozenset()) | {manager}
    return kept | said, {path: frozenset(names) for path, names in named.items()}


def _has_inside(fields, path):
    return any(len(each) > len(path) and each[: len(path)] == path for each in fields)


def updated(fields, owners, *, wanted, manager):
    """(fields, owners) once the whole document was replaced: who changes a field is its only owner."""
    changed = {path for path, value in wanted.items() if path not in fields or fields[path] != value}
    named = {path: names for path, names in owners.items() if path in wanted}
    return wanted, named | dict.fromkeys(changed, frozenset({manager}))


def merged(document, patch):
    """A JSON merge patch."""
    if not isinstance(patch, dict) or not isinstance(document, dict):
        return patch
    whole = {**document, **{key: merged(document.get(key, {}), value) for key, value in patch.items()}}
    return {key: value for key, value in whole.items() if value is not None}

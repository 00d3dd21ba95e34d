"""``make docs``: write the pages that are made from code and schemas."""

from pathlib import Path

from reconciler import failures, rules
from reconciler.resource import Kind
from tests.docs import reference

ROOT = Path(__file__).parents[2]


def generated() -> dict[Path, str]:
    """Every generated page and its text."""
    pages = {
        "failures.md": failures.markdown(),
        "rules.md": rules.markdown(),
        "decisions/README.md": _decisions(),
        "reference/cli.md": reference.command_line(),
        **{f"reference/{kind.lower()}.md": reference.fields(kind) for kind in Kind},
    }
    return {ROOT / "docs" / name: text for name, text in pages.items()}


def _decisions() -> str:
    """The list of notes, by their first lines."""
    lines = ["# Decisions", "", "<!-- Generated from these files by `make docs`. -->", ""]
    lines += ["Why things are as they are, for whoever would change them."]
    lines += [""]
    for path in sorted((ROOT / "docs" / "decisions").glob("0*.md")):
        title = path.read_text().partition("\n")[0].removeprefix("# ")
        number = path.name[:4]
        lines.append(f"- {number}: [{title.removeprefix(f'{int(number)}. ')}]({path.name})")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    for path, text in generated().items():
        path.write_text(text)

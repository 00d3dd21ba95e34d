from datetime import timedelta
from html.parser import HTMLParser

import pytest

from reconciler.page import html, size
from reconciler.protection import Overview, Replication, State, Unprotected
from reconciler.resource import Kind
from reconciler.spec import Action
from tests.factories import GIB, at

NOW = at("10:30:00")
START = at("10:00:00")
DAY = [0] * 144
VOID = {"meta"}
HOSTILE = "</style><script>alert(1)</script><img src=x onerror='alert(2)'>\"'&\x1b[31m"


class Page(HTMLParser):
    """What a browser makes of it: each start tag with its attributes, and the text between; it must be balanced."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.words, self.open = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def row(name="nightly", **values):
    ordinary = {
        "kind": Kind.SOURCE, "namespace": "shop", "name": name, "state": State.FINE, "action": Action.BACKUP,
        "volumes": ("data",), "schedule": "0 * * * *", "time_zone": "UTC", "repository": "restic",
        "last": at("10:05:00"), "overdue": at("12:00:00"), "upcoming": at("11:00:00"), "drilled": at("01:00:00"),
        "seconds": 61.0, "size": 3 * GIB, "added": 2048,
    }  # fmt: skip
    return Replication(**ordinary | values)


def page(*rows, unprotected=(), load=DAY, **counts):
    seen = Overview(replications=rows, unprotected=unprotected, **counts)
    return html(seen, load, start=START, now=NOW)


def test_says_what_people_ask():
    missing = Unprotected(namespace="blog", name="uploads", capacity=5 * GIB, remark="restored by copy")
    text = Page(page(row(), unprotected=[missing], protected=3, pending=1)).text
    for words in (
        "2026-03-04 10:30 UTC",
        "3 of 5 volumes have a backup",
        "1 wait for their first",
        "fine nightly shop data → restic 0 * * * *",
        "25m ago",
        "in 30m",
        "3 GiB +2 KiB",
        "uploads blog, 5 GiB, restored by copy",
    ):
        assert words in text


@pytest.mark.parametrize("state", [State.INVALID, State.FAILING, State.LATE])
def test_trouble_is_counted_and_explained(state):
    text = Page(page(row(state=state, message="wrong password"))).text
    assert "wrong password" in text
    assert ("1 late" if state is State.LATE else "1 failing") in text


def test_what_is_fine_is_not_explained():
    assert "accepted" not in Page(page(row(message="accepted"))).text


def test_ages_are_drawn_against_what_they_may_be():
    fine, late = row(last=at("10:00:00"), overdue=at("12:00:00")), row(last=at("08:00:00"), overdue=at("09:00:00"))
    bars = [each for each in Page(page(fine, late)).all("svg") if "of the age" in each.get("aria-label", "")]
    assert [(each["class"], each["aria-label"][:3]) for each in bars] == [("bar good", "25 "), ("bar bad", "250")]


def test_the_load_of_the_day_is_drawn_to_scale():
    load = [0, 1, 4, *[0] * 141]
    shown = Page(page(row(), load=load))
    columns = [(each["x"], each["y"], each["height"]) for each in shown.all("rect") if each.get("width") == "0.9"]
    assert columns == [("1", "75.0", "25.0"), ("2", "0.0", "100.0")]
    assert "at most 4" in shown.text
    assert "10:20 UTC: 4" in shown.text


def test_the_longest_and_the_largest_come_first_and_not_all():
    rows = [row(f"n{number:02}", seconds=float(number), added=number * 1024) for number in range(30)]
    text = Page(page(*rows)).text
    longest, most = text.partition("Longest")[2].split("Most added")
    assert longest.split()[:4] == ["shop/n29", "29s", "shop/n28", "28s"]
    assert most.split()[:3] == ["shop/n29", "29", "KiB"]
    assert "n17" not in longest + most


def test_no_value_can_become_structure():
    everywhere = {"namespace": HOSTILE, "message": HOSTILE, "volumes": (HOSTILE,), "schedule": HOSTILE}
    missing = Unprotected(namespace=HOSTILE, name=HOSTILE, capacity=1, remark=HOSTILE)
    tame = Page(page(row(state=State.FAILING, message="x"), unprotected=[missing]))
    wild = Page(page(row(HOSTILE, state=State.FAILING, **everywhere, time_zone=HOSTILE), unprotected=[missing]))
    assert [tag for tag, _ in wild.tags] == [tag for tag, _ in tame.tags]
    assert not {"script", "img"} & {tag for tag, _ in wild.tags}
    assert "<script>alert(1)</script>" in wild.text


def test_needs_nothing_but_itself():
    shown = Page(page(row(), unprotected=[Unprotected(namespace="a", name="b", capacity=1)]))
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in shown.tags}
    assert not {"src", "href", "onclick", "style"} & {name for _, attributes in shown.tags for name in attributes}
    assert "url(" not in page(row())
    assert "@import" not in page(row())


def test_is_the_same_for_the_same_moment():
    assert page(row(), row("other")) == page(row(), row("other"))


def test_an_empty_cluster_has_a_page_too():
    text = Page(page(load=[])).text
    assert "no ReplicationSource" in text
    assert "at most 0" in text


def test_restores_have_a_table_of_their_own():
    restore = row("copy", kind=Kind.DESTINATION, action=Action.RESTORE, verified=None, drilled=None)
    backups, restores = Page(page(row(), restore)).text.split("Restores and prunes")
    assert "copy" not in backups.partition("What is backed up")[2].partition("Volumes")[0]
    assert "copy" in restores


def test_everything_may_be_unknown():
    nothing = dict.fromkeys(("last", "overdue", "upcoming", "drilled", "verified", "seconds", "size", "added"))
    assert "never" in Page(page(row(**nothing, action=None, volumes=(), schedule="", repository=""))).text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "0.977 KiB"), (1536, "1.5 KiB"), (5 * GIB, "5 GiB"), (2**62, "4.1e+03 PiB")],
)
def test_sizes_in_words(count, text):
    assert size(count) == text


def test_a_clock_that_is_behind_draws_no_bar_to_the_left():
    bars = Page(page(row(last=NOW + timedelta(minutes=5), overdue=NOW + timedelta(hours=1)))).all("rect")
    assert all(float(each["width"]) >= 0 for each in bars)

"""What somebody who is paged finds: every alert leads to a page that exists, and every metric is described."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
COMPONENTS = ROOT / "kustomize" / "components"
RULES = yaml.safe_load((COMPONENTS / "prometheus-rules" / "prometheusrule.yaml").read_text())
CONFIG = yaml.safe_load((COMPONENTS / "kube-state-metrics" / "config.yaml").read_text())
ALERTS = {rule["alert"]: rule for group in RULES["spec"]["groups"] for rule in group["rules"]}
METRICS = {f"quill_{each['name']}" for resource in CONFIG["spec"]["resources"] for each in resource["metrics"]}


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_what_is_wrong_how_bad_it_is_and_where_to_read_on(name):
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook"}
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^## (\w+)$", (ROOT / page).read_text(), re.MULTILINE)
    assert anchor == name.lower()
    assert name in headings


def test_no_page_is_left_of_an_alert_that_has_gone():
    headings = re.findall(r"^## (Quill\w+)$", (ROOT / "docs" / "alerts.md").read_text(), re.MULTILINE)
    assert headings == list(ALERTS)


def test_every_metric_is_described():
    described = re.findall(r"^\| `(quill_\w+)", (ROOT / "docs" / "observability.md").read_text(), re.MULTILINE)
    assert set(described) == METRICS
    assert len(described) == len(METRICS)

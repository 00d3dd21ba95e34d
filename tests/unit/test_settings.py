import pytest

from reconciler.cli import main
from reconciler.errors import SetupError
from reconciler.settings import VARIABLES, Caps, Settings, settings_of


def test_without_any_variable_the_defaults_hold():
    assert settings_of({"PATH": "/bin", "QUILL_TEMPLATES": "/etc", "QUILL_MOVER_IMAGE": "restic"}) == Settings()


@pytest.mark.parametrize(("field", "variable"), VARIABLES.items())
def test_each_variable_sets_its_own_cap(field, variable):
    assert settings_of({variable: "3"}) == Settings(caps=Caps(**{field: 3}))


@pytest.mark.parametrize("text", ["", " 3", "0", "-1", "many", "3.5", "1e3", "0x10", "100001", "9" * 5000, "٣", "3\n"])
def test_what_is_no_number_of_movers_is_an_error_that_names_the_variable(text):
    with pytest.raises(SetupError) as error:
        settings_of({"QUILL_MAX_MOVERS_PER_NAMESPACE": text})
    said = str(error.value)
    assert "QUILL_MAX_MOVERS_PER_NAMESPACE must be a whole number from 1 to 100000" in said
    assert len(said) < 250
    assert "\n" not in said


@pytest.mark.parametrize(("text", "expected"), [("true", True), ("false", False)])
def test_one_switch_pauses_everything(text, expected):
    assert settings_of({"QUILL_PAUSED": text}).paused is expected


@pytest.mark.parametrize("text", ["", "True", "yes", "1", "on", "true "])
def test_a_switch_is_on_or_off_and_nothing_else(text):
    with pytest.raises(SetupError, match="QUILL_PAUSED must be true or false"):
        settings_of({"QUILL_PAUSED": text})


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        pytest.param("QUILL_MAX_MOVER", "did you mean QUILL_MAX_MOVERS?", id="a-slip"),
        pytest.param("QUILL_PAUSE", "did you mean QUILL_PAUSED?", id="a-switch"),
        pytest.param("QUILL_MAXIMUM", "there are QUILL_MAX_MOVERS, ", id="something-else"),
    ],
)
def test_a_variable_that_is_almost_ours_is_not_passed_over(variable, words):
    with pytest.raises(SetupError, match=f"{variable} is not a setting") as error:
        settings_of({variable: "3"})
    assert words in str(error.value)


@pytest.mark.parametrize("verb", ["tick", "plan"])
def test_a_bad_value_is_exit_code_two_before_any_cluster_is_asked(monkeypatch, capsys, tmp_path, verb):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("QUILL_MAX_MOVERS", "plenty")
    assert main([verb]) == 2
    errors = capsys.readouterr().err
    assert errors == (
        "quill: error: QUILL_MAX_MOVERS must be a whole number from 1 to 100000, not 'plenty'; see docs/admission.md\n"
    )

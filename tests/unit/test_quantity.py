import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.quantity import parse_quantity


@pytest.mark.parametrize(
    ("text", "size"),
    [
        pytest.param("0", 0, id="nothing"),
        pytest.param("1024", 1024, id="bytes"),
        pytest.param("2Gi", 2 * 1024**3, id="binary"),
        pytest.param("1Ki", 1024, id="kibi"),
        pytest.param("1k", 1000, id="kilo"),
        pytest.param("500M", 500 * 1000**2, id="decimal"),
        pytest.param("1.5Gi", 3 * 2**29, id="fraction"),
        pytest.param(".5Mi", 2**19, id="fraction-only"),
        pytest.param("1.Gi", 2**30, id="nothing-after-the-point"),
        pytest.param("1e3", 1000, id="exponent"),
        pytest.param("12E2", 1200, id="capital-exponent"),
        pytest.param("1E", 10**18, id="exa"),
        pytest.param("1Ei", 2**60, id="exbi"),
        pytest.param("1e-1", 1, id="negative-exponent-rounds-up"),
        pytest.param("1500m", 2, id="milli-rounds-up"),
        pytest.param("0.1Ki", 103, id="fraction-rounds-up"),
        pytest.param("9007199254740993", 9007199254740993, id="more-than-a-float-holds"),
    ],
)
def test_a_quantity_is_a_number_of_bytes(text, size):
    assert parse_quantity(text) == size


@pytest.mark.parametrize(
    "text", ["", "Gi", "1GiB", "1 Gi", "1K", "-1", "1,5Gi", "0x10", "inf", "NaN", "1e", "1.2.3", ".", "1e9999999"]
)
def test_anything_else_is_none(text):
    with pytest.raises(ValueError, match="is not a quantity"):
        parse_quantity(text)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**63), st.integers(0, 2**63))
def test_sizes_keep_their_order(one, other):
    assert (parse_quantity(str(one)) < parse_quantity(str(other))) == (one < other)
    assert parse_quantity(f"{one}Ki") == one * 1024

"""`python -m tests.unit.test_catalog_schema` writes docs/reference/catalog.schema.json from the models."""

import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from tasks.payments.coupon import Coupon
from tasks.payments.item import Item
from tasks.payments.plan import Plan, PriceRange
from tasks.payments.price import FormerPrice, Price
from tasks.payments.price_list_form import Overpayment, PriceList
from tests.stack import ROOT

FILE = ROOT / "docs" / "reference" / "catalog.schema.json"
MODELS: tuple[type[BaseModel], ...] = (Item, Price, FormerPrice, Coupon, Plan, PriceRange, Overpayment)


def schema() -> dict[str, Any]:
    """Return what the file must hold."""
    draft = "https://json-schema.org/draft/2020-12/schema"
    whole = _plain(PriceList.model_json_schema())
    assert isinstance(whole, dict)
    return {"$schema": draft, **whole}


def _plain(part: Any) -> Any:
    """Return a part without what TOML cannot say, nulls, and without what an editor had better not offer."""
    if isinstance(part, list):
        return [_plain(each) for each in part if each != {"type": "null"}]
    if not isinstance(part, dict):
        return part
    named = {name: _plain(each) for name, each in part.items() if not _is_noise(name, each)}
    ways = named.get("anyOf", [])
    return (
        {**ways[0], **{name: each for name, each in named.items() if name != "anyOf"}}
        if len(ways) == 1
        else named
    )


def _is_noise(name: str, value: Any) -> bool:
    return (name == "title" and isinstance(value, str)) or (name == "default" and value in (None, [], {}))


def text() -> str:
    """Return the file's text."""
    return json.dumps(schema(), indent=2) + "\n"


def tables() -> Iterator[tuple[type[BaseModel], dict[str, Any]]]:
    """Yield each model with its part of the schema."""
    whole = json.loads(FILE.read_text())
    assert set(whole["$defs"]) == {model.__name__ for model in MODELS}
    yield PriceList, whole
    for model in MODELS:
        yield model, whole["$defs"][model.__name__]


def test_the_file_is_what_the_models_say() -> None:
    assert FILE.read_text() == text(), "run `python -m tests.unit.test_catalog_schema`"


def test_each_table_has_the_fields_of_its_model_and_no_others() -> None:
    for model, table in tables():
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        assert set(table["properties"]) == set(fields)
        assert table["additionalProperties"] is False
        required = {name for name, field in fields.items() if field.is_required()}
        assert set(table.get("required", [])) == required


def test_an_editor_can_explain_each_table_and_each_field() -> None:
    for _, table in tables():
        assert table["description"]
        for name, field in table["properties"].items():
            assert field.get("description"), name


def test_a_price_may_be_written_in_three_ways() -> None:
    ways = schema()["$defs"]["Item"]["properties"]["price"]["anyOf"]
    assert [way.get("$ref", way.get("type")) for way in ways] == ["#/$defs/Price", "array", "string"]
    assert ways[2]["const"] == "any"


if __name__ == "__main__":
    FILE.write_text(text())

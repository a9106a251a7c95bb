from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from shared import settings
from shared.configuration.declared import ADDRESS, FILE, SECRET
from shared.errors import ConfigError
from shared.secrets.redact import redact


@dataclass(frozen=True, kw_only=True)
class Lamp:
    brightness: Annotated[float, Meta(ge=0, le=1)] = 0.5
    colours: tuple[str, ...] = ()
    mood: Literal["warm", "cold"] | None = None


@dataclass(frozen=True, kw_only=True)
class Door:
    width: int


@dataclass(frozen=True, kw_only=True)
class Lock:
    code: Annotated[str, Meta(extra=SECRET)] = ""


@dataclass(frozen=True, kw_only=True)
class House:
    name: str = "home"
    lamps: dict[str, Lamp] = field(default_factory=dict)
    spare: Lamp | None = None
    doors: tuple[Door, ...] = ()
    owner: str | None = None
    bell: int | str = 0
    plan: Annotated[str | None, Meta(extra=FILE)] = None
    code: Annotated[str | None, Meta(extra=SECRET)] = None
    pin: Annotated[int | None, Meta(extra=SECRET)] = None
    locks: dict[str, Lock] = field(default_factory=dict)
    view: Annotated[str, Meta(extra=ADDRESS)] = ""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "house.yaml"
    path.write_text(text)
    return path


def test_defaults_need_no_file() -> None:
    assert settings.load(House) == House()


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    assert settings.load(House, file=write(tmp_path, "")) == House()


def test_flags_win_over_environment_and_environment_over_file(tmp_path: Path) -> None:
    file = write(tmp_path, "name: file\nlamps: {desk: {brightness: 0.1}, door: {brightness: 0.2}}\n")
    environment = {"DARNER_LAMPS__DESK__BRIGHTNESS": "0.3", "DARNER_NAME": "environment", "HOME": "/"}
    loaded = settings.load(House, file=file, environment=environment, overrides=["name=flag"])
    assert loaded == House(name="flag", lamps={"desk": Lamp(brightness=0.3), "door": Lamp(brightness=0.2)})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("nmae: x", "house.yaml: nmae: unknown key; did you mean 'name'?", id="typo"),
        pytest.param(
            "lamps: {desk: {zzz: 1}}",
            "house.yaml: lamps.desk.zzz: unknown key; known keys: brightness, colours, mood",
            id="unknown deep inside",
        ),
        pytest.param(
            "lamps: {desk: {brightness: 2}}",
            "house.yaml: lamps.desk.brightness: 2: expected a number <= 1",
            id="too big",
        ),
        pytest.param(
            "doors: [{width: 1}, {width: broad}]",
            "house.yaml: doors.1.width: 'broad': expected a whole number, got a text",
            id="in a list",
        ),
        pytest.param(
            "lamps: 3",
            "house.yaml: lamps: expected a section with keys, got a text; write each one under a name",
            id="value for a section",
        ),
        pytest.param(
            "lamps: [{mood: warm}]",
            "lamps: expected a section with keys, got a list; write each one under a name of its own",
            id="a list of what has names",
        ),
        pytest.param(
            "spare.mood: warm", "spare.mood: unknown key; in a file, write mood below 'spare:'", id="dots"
        ),
        pytest.param("mood: warm", "mood: unknown key; did you mean lamps.NAME.mood?", id="not indented"),
        pytest.param(
            "spare: {mood:warm}", "spare.mood: unknown key; write 'mood: ' with a blank", id="no blank"
        ),
        pytest.param("spare: {brightness: 0,5}", "unknown key", id="comma in a section"),
        pytest.param("spare:\n  brightness: 0,5", "write a point instead of the comma", id="comma"),
        pytest.param("spare: {brightness: 50%}", "write it without a unit", id="unit"),
        pytest.param("spare: {brightness: .nan}", "it must be finite", id="not a number"),
        pytest.param("doors: [{width: 99999999999999999999}]", "it is too large", id="no 64 bits"),
        pytest.param(f"doors: [{{width: {'9' * 5000}}}]", "it is too large", id="thousands of digits"),
        pytest.param(
            "spare: {colours: red}", "expected a list, got a text; write a list, as in", id="no list"
        ),
        pytest.param("spare: {mood: wram}", "expected one of warm, cold; did you mean warm?", id="misspelt"),
        pytest.param("spare:\n\tmood: warm", "line 2, column 1: a tab; indent with blanks", id="tab"),
        pytest.param("name: @home", "put a value with special characters in single quotes", id="special"),
        pytest.param("name: !home x", "line 1: name: YAML tags (!) are not supported", id="tag"),
        pytest.param("name: &a [*a]", "contains itself", id="cycle"),
        pytest.param("name: " + "[" * 3000, "is nested too deeply", id="deep"),
        pytest.param("just text", "found a text; is a blank behind each colon?", id="a text"),
        pytest.param(
            "- a\n- b",
            "expected lines of the form 'key: value' at the top level, found a list",
            id="no mapping",
        ),
        pytest.param(
            "spare: {mood: dim}", "house.yaml: spare.mood: 'dim': expected one of warm, cold", id="no choice"
        ),
        pytest.param("doors: [{}]", "house.yaml: doors.0: the key 'width' is missing", id="missing"),
        pytest.param("a: [1", "house.yaml: is not valid YAML", id="not yaml"),
    ],
)
def test_an_error_names_file_key_value_and_fix(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings.load(House, file=write(tmp_path, text))
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("environment", "overrides", "says"),
    [
        ({"DARNER_DOORS": "[1]"}, [], "environment variable DARNER_DOORS: doors.0: expected a section"),
        ({}, ["lamps.desk.brightness=9"], "--set lamps.desk.brightness: 9"),
        ({}, ["lamps.desk={brightness: 9}"], "--set lamps.desk: lamps.desk.brightness: 9"),
        ({}, ["lamps=3"], "--set lamps: is a section; set one of its keys, as in lamps.KEY=VALUE"),
        ({}, ["lamps.desk=on"], "--set lamps.desk: is a section"),
        ({}, ["lamps"], "expected KEY=VALUE"),
        ({}, ["nmae=1"], "--set nmae: unknown key"),
        ({"DARNER_NAME__FIRST": "x"}, ["name=x", "name.last=y"], "'name' is a value, not a section"),
    ],
)
def test_an_error_names_the_variable_or_flag(
    environment: dict[str, str], overrides: list[str], says: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        settings.load(House, environment=environment, overrides=overrides)
    assert says in str(caught.value)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such configuration file"):
        settings.load(House, file=tmp_path / "none.yaml")


@pytest.mark.parametrize(
    "text",
    [
        *("12345", "12:30", "0x1F", "0123", "1e5", "2026-05-01", "yes", "off", "null", "~", "#x", "abc #def"),
        *(
            "&x",
            "*x",
            "!x",
            "{x}",
            "[a]",
            "a: b",
            "'q'",
            '"q"',
            " blank ",
            "a=b",
            "- a",
            "@x",
            "`x`",
            "%41",
            ".",
        ),
    ],
)
def test_a_text_from_outside_is_taken_as_it_is(text: str) -> None:
    assert settings.load(House, environment={"DARNER_NAME": text}).name == text
    assert settings.load(House, overrides=[f"name={text}"]).name == text
    assert settings.load(House, overrides=[f"owner={text}"]).owner == text, "also where null is allowed"


@pytest.mark.parametrize(
    "text", ["12345", "12:30", "0x1F", "0123", "007", "1e5", "1_000", "2026-05-01", "yes", "on", "5", "1.50"]
)
def test_an_unquoted_scalar_of_a_file_is_the_text_that_stands_there(tmp_path: Path, text: str) -> None:
    file = write(tmp_path, f"name: {text}\nowner: {text}\nlamps: {{{text}: {{colours: [{text}]}}}}\n")
    assert settings.load(House, file=file) == House(
        name=text, owner=text, lamps={text: Lamp(colours=(text,))}
    )


@pytest.mark.parametrize("text", ["null", "~", ""])
def test_null_in_a_file_is_null(tmp_path: Path, text: str) -> None:
    assert settings.load(House, file=write(tmp_path, f"owner: {text}\nspare: {text}")) == House()
    with pytest.raises(ConfigError, match="name: expected a text, got nothing"):
        settings.load(House, file=write(tmp_path, f"name: {text}"))


def test_a_section_whose_keys_are_commented_out_has_its_defaults(tmp_path: Path) -> None:
    file = write(tmp_path, "lamps:\n#  desk: {}\n")
    assert settings.load(House, file=file, overrides=["lamps.desk.mood=warm"]).lamps == {
        "desk": Lamp(mood="warm")
    }


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        ("spare.colours", "red, 3,null", Lamp(colours=("red", "3", "null"))),
        ("spare.colours", "[red, 3, 'a, b']", Lamp(colours=("red", "3", "a, b"))),
        ("spare.colours", "", Lamp()),
        ("spare.brightness", " 5e-1 ", Lamp(brightness=0.5)),
        ("spare.brightness", "1", Lamp(brightness=1)),
        ("spare.mood", "cold", Lamp(mood="cold")),
        ("spare.mood", "", Lamp()),
        ("spare", "{brightness: 0.25}", Lamp(brightness=0.25)),
    ],
)
def test_what_a_text_from_outside_means_is_declared_by_its_key(key: str, text: str, expected: Lamp) -> None:
    assert settings.load(House, overrides=[f"{key}={text}"]).spare == expected
    variable = f"DARNER_{key.upper().replace('.', '__')}"
    assert settings.load(House, environment={variable: text}).spare == expected


def test_a_file_key_understands_null_and_an_empty_value() -> None:
    for text in ("null", ""):
        assert settings.load(House, overrides=[f"plan={text}"]).plan is None
    assert settings.load(House, overrides=["plan=a"]).plan == "a"


@pytest.mark.parametrize(
    ("source", "expected"), [("0", 0), ("007", "007"), ("1e5", "1e5"), ("yes", "yes"), ("a.mp4", "a.mp4")]
)
def test_a_key_for_numbers_and_texts_takes_only_plain_digits_for_a_number(
    tmp_path: Path, source: str, expected: int | str
) -> None:
    assert settings.load(House, overrides=[f"bell={source}"]).bell == expected
    assert settings.load(House, file=write(tmp_path, f"bell: {source}")).bell == expected
    assert settings.load(House, file=write(tmp_path, f"bell: '{source}'")).bell == source


def test_a_later_layer_changes_the_keys_it_names_and_no_others(tmp_path: Path) -> None:
    file = write(tmp_path, "lamps: {desk: {brightness: 0.1, mood: warm}, door: {mood: cold}}\n")
    loaded = settings.load(
        House,
        file=file,
        environment={"DARNER_LAMPS": "{desk: {brightness: 0.2}}"},
        overrides=["lamps.hall={mood: cold}", "lamps.desk.colours=red"],
    )
    desk = Lamp(brightness=0.2, mood="warm", colours=("red",))
    assert loaded.lamps == {"desk": desk, "door": Lamp(mood="cold"), "hall": Lamp(mood="cold")}


def test_two_variables_for_one_key_are_an_error() -> None:
    with pytest.raises(ConfigError, match="DARNER_NAME and DARNER_name both set name"):
        settings.load(House, environment={"DARNER_NAME": "a", "DARNER_name": "b"})


def test_the_environment_names_what_the_file_names_with_capitals_and_hyphens(tmp_path: Path) -> None:
    file = write(tmp_path, "lamps: {Front-Door: {mood: warm}}\n")
    loaded = settings.load(House, file=file, environment={"DARNER_LAMPS__FRONT_DOOR__BRIGHTNESS": "0.2"})
    assert loaded.lamps == {"Front-Door": Lamp(mood="warm", brightness=0.2)}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("code: [s3cret/word]", id="another type"),
        pytest.param("code: {s3cret/word: 1}", id="a section"),
        pytest.param("cdoe: s3cret/word", id="misspelt key"),
        pytest.param("spare: {code:s3cret/word}", id="no blank in a section"),
        pytest.param("locks:\n  code:s3cret/word", id="no blank"),
        pytest.param("code: *s3cret/word", id="alias"),
        pytest.param("code: !s3cret/word", id="tag"),
        pytest.param("code: *s3cret", id="alias that is a word"),
        pytest.param("code: #s3cret/word", id="comment"),
        pytest.param("locks: {front: {code: }}", id="empty"),
        pytest.param("code: 's3cret/word", id="quote not closed"),
        pytest.param("code: 'a' s3cret/word", id="text behind the quotes"),
        pytest.param("code: a: s3cret/word", id="colon"),
        pytest.param("code: s3cret/word\n  x: [", id="a fault in the next line"),
        pytest.param("code: @s3cret/word", id="special character"),
        pytest.param("code: x\ncode: s3cret/word", id="twice"),
        pytest.param("pin: s3cret/word", id="no number"),
        pytest.param("locks: {front: s3cret/word}", id="a value for a section of secrets"),
        pytest.param("view: [rtsp://me:s3cret/word@cam/1]", id="an address of another type"),
    ],
)
def test_no_error_repeats_a_secret(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings.load(House, file=write(tmp_path, text))
    assert "s3cret" not in str(caught.value)
    assert "word" not in str(caught.value)


@pytest.mark.parametrize(
    "item",
    ["code s3cret", "code:s3cret", "s3cret", "code.x=s3cret", "pin=s3cret", "locks=s3cret", "cdoe=s3cret"],
)
def test_no_error_about_the_command_line_repeats_a_secret(item: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings.load(House, overrides=[item])
    assert "s3cret" not in str(caught.value)


def test_secrets_are_known_once_they_are_read_and_one_on_the_command_line_is_warned_about(
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings.load(
        House,
        overrides=["code=hunter42x", "locks={front: {code: hunter43x}}"],
        environment={"DARNER_VIEW": "http://me:word12345@cam/1?key=abcdef12"},
    )
    assert redact("hunter42x, hunter43x, word12345, abcdef12") == "***, ***, ***, ***"
    assert [record.getMessage() for record in caplog.records] == [
        "code stands on the command line, where others may see it: give code_file or DARNER_CODE instead",
        (
            "locks.front.code stands on the command line, where others may see it: "
            "give locks.front.code_file or DARNER_LOCKS__FRONT__CODE instead"
        ),
    ]


@pytest.mark.parametrize(
    "place", ["unknown: *a", "name: *a", "lamps: *a", "doors: *a", "spare: {colours: *a}"]
)
@pytest.mark.parametrize("item", ["[*b, *b]", "{x: *b, y: *b}"])
def test_a_bomb_of_aliases_is_one_line_at_once(tmp_path: Path, place: str, item: str) -> None:
    lines = [f"&a{n} {item}".replace("*b", f"*a{n - 1}") for n in range(1, 60)]
    text = "known: [&a0 [1], " + ", ".join(lines) + "]\n" + place.replace("*a", "*a59")
    with pytest.raises(ConfigError):
        settings.load(House, file=write(tmp_path, text))


@given(
    st.dictionaries(st.sampled_from(["NAME", "DOORS", "LAMPS__A__MOOD", "SPARE", "BELL", "X__Y"]), st.text())
)
def test_any_text_from_outside_is_a_configuration_or_one_line(texts: dict[str, str]) -> None:
    try:
        settings.load(House, environment={f"DARNER_{name}": text for name, text in texts.items()})
    except ConfigError as error:
        assert "\n" not in str(error)


@given(st.text())
def test_any_text_is_a_configuration_or_one_line(text: str) -> None:
    try:
        settings.parse(House, text, "house.yaml")
    except ConfigError as error:
        assert str(error).startswith("house.yaml")
        assert "\n" not in str(error)

"""The people of the end-to-end test are those that their maker makes, and enough of every kind."""

import json
import subprocess
import sys
from pathlib import Path

E2E = Path(__file__).resolve().parents[1] / "e2e"


def test_the_file_is_what_the_script_makes() -> None:
    said = subprocess.run(
        [sys.executable, E2E / "make_people.py", "--check"], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr


def test_there_are_enough_of_every_kind() -> None:
    people = json.loads((E2E / "people.json").read_text())
    signed_up = [person for person in people if not person["signup_errors"]]
    assert len(people) == 500
    assert len({person["email"] for person in signed_up}) == len(signed_up)
    assert len(people) - len(signed_up) >= 15
    refused = {json.dumps(change["patch"]) for person in signed_up for change in person["refused"]}
    assert len(refused) >= 15
    assert len([person for person in signed_up if person["profile"].get("cpf")]) > 200
    countries = {
        person["enriched"]["phone"]["country"] for person in signed_up if person["enriched"]["phone"]
    }
    assert len(countries) >= 8
    providers = {person["enriched"]["email"]["provider"] for person in signed_up}
    assert providers == {"custom", "free", "disposable"}

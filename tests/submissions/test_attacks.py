import pytest

from submissions import validate
from tests.hostile import check_refusal, measure
from tests.submissions.attacks import ATTACKS, IDS, SECRET, TABLE, maps, table

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("attacks")
    (folder / "truth.txt").write_bytes(SECRET)
    jobs = []
    for name, attack in ATTACKS.items():
        path = folder / f"{name}.zip"
        path.write_bytes(attack.make())
        jobs.append(("submission", path, attack.track))
    return measure(folder, jobs)


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_is_refused(found, name):
    result = found[f"{name}.zip"]
    assert result["accepted"] is False, result["text"]
    codes = {fault["code"] for fault in result["faults"]}
    assert codes & ATTACKS[name].codes, result["text"]
    check_refusal(result, SECRET)


@pytest.mark.parametrize(("track", "data"), [("mass-mapping", maps()), ("stamps", table(TABLE))])
def test_what_the_attacks_are_made_of_is_accepted(tmp_path, track, data):
    (tmp_path / "good.zip").write_bytes(data)
    assert validate(tmp_path / "good.zip", track, IDS).accepted

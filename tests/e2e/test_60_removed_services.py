"""What `test_50_further_services.py` added and took away again has left nothing, and the whole playbook finds all as it should be."""

from __future__ import annotations

from tests.e2e.site import assert_site_changes_nothing


def test_without_its_entry_nothing_is_left_of_a_service(run, edge):
    assert edge.call("GET", "/api/v1/greeting/hello").headers["Content-Type"] != "application/json"
    left = run(
        "ansible",
        "zone_hosts",
        "--become",
        "--module-name=ansible.builtin.find",
        "--args=paths=/etc/alicerce,/etc/systemd/system,/opt/alicerce patterns=*greeting*,*history* file_type=any recurse=true",
    )
    assert left.returncode == 0, left.stdout
    assert not [line for line in left.stdout.splitlines() if '"path"' in line], left.stdout


def test_site_again_changes_nothing(run, lab):
    assert_site_changes_nothing(run, lab)

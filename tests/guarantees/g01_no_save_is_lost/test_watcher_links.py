"""Folders behind symlinks are watched by the names that lead to them."""

from __future__ import annotations

from tests.guarantees.g01_no_save_is_lost.watched import Project


def _link(project: Project, link: str, target: str) -> None:
    path = project.root / link
    path.unlink(missing_ok=True)
    path.symlink_to(project.root / target, target_is_directory=True)


def test_file_behind_a_symlinked_folder_is_told_by_its_path_through_the_link(
    project: Project, polling: bool
) -> None:
    project.write("elsewhere/plugin.py")
    project.write("elsewhere/deep/models.py")
    _link(project, "plugins/linked", "elsewhere")
    project.start(force_polling=polling)
    project.write("elsewhere/plugin.py", "changed in place")
    assert project.wait_for("plugins/linked/plugin.py") == {"plugins/linked/plugin.py"}
    project.replace("plugins/linked/deep/models.py", "changed through the link")
    told = project.wait_for("plugins/linked/deep/models.py")
    # Polling may tell of a save twice, when it looked at the very moment of it.
    assert told <= {"plugins/linked/deep/models.py", "plugins/linked/plugin.py"}


def test_symlink_that_is_made_changed_and_removed_is_told(project: Project, polling: bool) -> None:
    project.write("one/plugin.py", "one")
    project.write("two/plugin.py", "number two")
    project.start(force_polling=polling)
    for target in ("one", "two"):
        _link(project, "plugins/linked", target)
        project.wait_for("plugins/linked/plugin.py")
        project.write(f"{target}/plugin.py", f"{target} has changed")
        project.wait_for("plugins/linked/plugin.py")
    (project.root / "plugins/linked").unlink()
    project.wait_for("plugins/linked/plugin.py")


def test_folder_with_two_names_is_told_by_both(project: Project, polling: bool) -> None:
    _link(project, "plugins/alias", "plugins/users")
    project.start(force_polling=polling)
    project.write("plugins/users/plugin.py", "v1")
    told = project.wait_for("plugins/users/plugin.py", "plugins/alias/plugin.py")
    assert told == {"plugins/users/plugin.py", "plugins/alias/plugin.py"}


def test_symlink_in_a_circle_does_no_harm(project: Project, polling: bool) -> None:
    _link(project, "plugins/users/all", "plugins")
    _link(project, "plugins/users/project", ".")
    project.start(force_polling=polling)
    project.write("plugins/users/plugin.py", "v1")
    assert project.next() == {"plugins/users/plugin.py"}


def test_project_that_is_reached_by_a_symlink_is_told_as_it_is_spelt(project: Project) -> None:
    spelt = project.root.with_name("spelt")
    spelt.symlink_to(project.root, target_is_directory=True)
    project.root = spelt
    project.start()
    project.write("plugins/users/plugin.py", "v1")
    assert project.next() == {"plugins/users/plugin.py"}

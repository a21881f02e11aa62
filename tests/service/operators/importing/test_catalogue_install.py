"""Published networks are installed from a server, a file or a folder: all of an entry's packages, or none."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.request import Request

import numpy as np
import pytest
import tomlkit

from app.cli.command_line import execute
from app.cli.commands import app
from operators.errors import ModelError, OsteonError, OutputError, TransientError, UsageError
from operators.geometry.volume import CtVolume, Grid
from operators.importing.catalogue import download as downloading
from operators.importing.catalogue.download import SafeRedirects, download
from operators.importing.catalogue.installing import Installed, install_entry
from operators.importing.catalogue.listing import CatalogueEntry, CatalogueNetwork, read_catalogue
from operators.importing.install import verify
from operators.importing.shared_fracture import shared_fracture
from operators.networks.registry import Networks
from operators.networks.runtimes import Device
from operators.package_files.package_reader import read_packages
from operators.pipelines.several import segment
from tests.support.faults.file_server import Files, served
from tests.support.faults.small_disk import fill, small_disk
from tests.support.packages.model_cases import snapshot
from tests.support.packages.synthetic_nnunet import CASES, Case, write_v2
from tests.support.packages.synthetic_packages import write_package

# As in the published archives: vertebrae of class 1 to 26, and long bones beside muscles
SPINE = ["sacrum", "vertebrae_S1", *(f"vertebrae_L{n}" for n in range(5, 0, -1))]
BONES = ["humerus_left", "humerus_right", "femur_left", "hip_left", "gluteus_maximus_left", "autochthon_left"]
ARCHIVES = {
    "Dataset292_Spine_3subj.zip": ("nnUNetTrainerNoMirroring__nnUNetPlans__3d_fullres", SPINE),
    "Dataset294_Muscles_3subj.zip": ("nnUNetTrainerNoMirroring__nnUNetPlans__3d_fullres", BONES),
}


def published(names: list[str]) -> Case:
    labels = {"background": 0, **{name: value for value, name in enumerate(names, start=1)}}
    return replace(CASES[0], labels=labels, mirrored=None, spacing=(1.5, 1.5, 1.5))


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The archives, each with the folder of a data set, in it that of a trainer."""
    made = {}
    for name, (trainer, labels) in ARCHIVES.items():
        folder = tmp_path_factory.mktemp("weights")
        write_v2(published(labels), folder / Path(name).stem / trainer)
        made[name] = zipped(folder, folder / "archive.zip").read_bytes()
    return made


def zipped(folder: Path, archive: Path) -> Path:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        for path in files:
            file.write(path, path.relative_to(folder))
    return archive


@pytest.fixture
def files(archives: dict[str, bytes]) -> Iterator[Files]:
    with served(Files({f"/v2/{name}": content for name, content in archives.items()})) as here:
        yield here


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloading, "PAUSE_S", 0.0)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    write_package(tmp_path / "models" / "bones")
    return tmp_path / "models"


def entry_of(files: Files, **changes: object) -> CatalogueEntry:
    networks = tuple(
        CatalogueNetwork(
            package=f"made-{at}",
            url=files.url(path),
            sha256=hashlib.sha256(content).hexdigest(),
            folder="*nnUNetTrainerNoMirroring__*",
            labels="totalsegmentator",
        )
        for at, (path, content) in enumerate(files.content.items())
    )
    said = {
        "title": "Made bones",
        "maker": "nobody",
        "gives": "bones",
        "licence": "Apache-2.0",
        "terms": "Any use.",
        "address": "https://example.org",
        "citation": "none",
    }
    return CatalogueEntry(**{**said, "networks": networks, **changes})


def installed(entry: CatalogueEntry, models: Path, source: Path | None = None) -> list[Installed]:
    return install_entry(entry, models, source, lambda *_: None)


def left_by_downloads(models: Path) -> list[str]:
    return sorted(path.name for path in models.iterdir() if path.name.startswith("."))


def test_several_networks_are_installed_as_packages_that_read_one_scan(files: Files, models: Path) -> None:
    spine, bones = installed(entry_of(files), models)
    assert {package.name for package in read_packages(models)} == {"bones", "made-0", "made-1"}
    assert [label.structure.type.value for label in verify(spine.folder).labels][:1] == ["54735007"]
    assert [label.name for label in verify(bones.folder).labels] == BONES[:4]
    assert list(bones.left_out) == BONES[4:]
    card = (bones.folder / "MODEL_CARD.md").read_text()
    assert "Licence of the weights: Apache-2.0" in card
    assert hashlib.sha256(list(files.content.values())[1]).hexdigest() in card
    assert not any((models / ".downloads").iterdir())


def test_the_bones_of_all_installed_networks_are_in_one_segmentation(files: Files, models: Path) -> None:
    installed(entry_of(files), models)
    packages = [package for package in read_packages(models) if package.name.startswith("made")]
    affine = np.diag([1.5, 1.5, 1.5, 1.0])
    hu = np.rint(np.random.default_rng(1).normal(200, 400, (24, 24, 24))).astype(np.int16)
    scan = CtVolume(hu, Grid((24, 24, 24), affine))
    found = segment(scan, packages, Networks(Device("torch", 1)), lambda *_: None)
    spine, bones = ({label.name for label in package.labels} for package in packages)
    named = {each.bone for each in found.segments}
    assert named & spine
    assert named & bones
    assert len({each.value for each in found.segments}) == len(found.segments)


def test_bones_that_own_packages_split_go_through_the_shared_fracture_network(
    files: Files, models: Path
) -> None:
    spine, bones = install_entry(
        entry_of(files), models, None, lambda *_: None, shared=shared_fracture(models)
    )
    split = [verify(each.folder) for each in (spine, bones)]
    assert {package.kind for package in split} == {"nnunet_fragments"}
    spans = [{label.name: len(label.values) for label in package.labels} for package in split]
    # The first segment of the sacrum is no bone that a package of Osteon's own splits
    assert spans[0] == {name: 1 if name == "vertebrae_S1" else 10 for name in SPINE}
    assert spans[1] == dict.fromkeys(BONES[:4], 10)
    # Of the package that was there already, not a copy of it
    assert [package.networks[-1].weights.resolve() for package in split] == [
        models / "bones/fracture.safetensors"
    ] * 2
    hu = np.rint(np.random.default_rng(1).normal(200, 400, (24, 24, 24))).astype(np.int16)
    scan = CtVolume(hu, Grid((24, 24, 24), np.diag([1.5, 1.5, 1.5, 1.0])))
    found = segment(scan, split, Networks(Device("torch", 1)), lambda *_: None)
    assert len({each.value for each in found.segments}) == len(found.segments)
    assert {each.bone for each in found.segments} & {"sacrum", *BONES[:4]}
    assert any(each.network.endswith("fracture") for each in found.network_runs)


def test_redirects_are_followed_but_never_to_another_kind_of_address(files: Files, models: Path) -> None:
    path = next(iter(files.content))
    entry = entry_of(files)
    files.redirects["/moved"] = files.url(path)
    network = entry.networks[0].model_copy(update={"url": files.url("/moved")})
    assert download(network, models / ".downloads", lambda *_: None).is_file()
    files.redirects["/file"] = "file:///etc/passwd"
    network = network.model_copy(update={"url": files.url("/file")})
    with pytest.raises(ModelError, match="'file:///etc/passwd' is not allowed"):
        download(network, models / ".downloads", lambda *_: None)
    protected = Request("https://example.org/a.zip")
    with pytest.raises(ModelError, match="expected a redirect to https, got one to http"):
        SafeRedirects().redirect_request(protected, None, 302, "", {}, "http://example.org/a.zip")


def test_a_broken_transfer_goes_on_where_it_broke_off(files: Files, models: Path) -> None:
    files.breaks = [1000, 5000]
    told: list[str] = []
    entry = entry_of(files)
    install_entry(entry, models, None, lambda _, __, text: told.append(text))
    assert files.ranges[:3] == ["", "bytes=1000-", "bytes=6000-"]
    assert any("1000 of" in text and "trying again" in text for text in told)
    verify(models / "made-0")


def test_a_killed_download_goes_on_in_the_next_call(files: Files, models: Path) -> None:
    network, folder = entry_of(files).networks[0], models / ".downloads"
    files.breaks = [4000, *[0] * 10]
    with pytest.raises(TransientError, match=r"0\.0 MB are there, and the same command goes on"):
        download(network, folder, lambda *_: None)
    files.breaks, files.ranges = [], []
    assert download(network, folder, lambda *_: None).stat().st_size == len(
        next(iter(files.content.values()))
    )
    assert files.ranges == ["bytes=4000-"]


def test_a_server_without_ranges_or_versions_sends_all_again(files: Files, models: Path) -> None:
    files.tags, files.breaks = False, [4000]
    path = download(entry_of(files).networks[0], models / ".downloads", lambda *_: None)
    assert path.read_bytes() == next(iter(files.content.values()))


def test_an_archive_that_changes_between_two_transfers_is_fetched_anew(files: Files, models: Path) -> None:
    path, content = next(iter(files.content.items()))
    network, folder = entry_of(files).networks[0], models / ".downloads"
    files.content[path] = b"x" * 9000
    files.breaks = [4000, *[0] * 10]
    with pytest.raises(TransientError):
        download(network, folder, lambda *_: None)
    files.content[path], files.breaks = content, []
    assert download(network, folder, lambda *_: None).read_bytes() == content


def test_a_busy_server_is_asked_again(files: Files, models: Path) -> None:
    files.answers = [503, 429]
    assert download(entry_of(files).networks[0], models / ".downloads", lambda *_: None).is_file()


BAD = [
    "wrong checksum",
    "another size",
    "gone",
    "no zip",
    "traversal",
    "absolute",
    "link",
    "no network",
    "two networks",
]


def spoil(name: str, files: Files, archive: Path) -> CatalogueEntry:
    """Replaces the second archive by a bad one."""
    path = list(files.content)[1]
    entry = entry_of(files)
    if name == "gone":
        del files.content[path]
        return entry
    if name in ("wrong checksum", "another size"):
        files.content[path] += b" "
        if name == "wrong checksum":
            return entry
        update: dict[str, object] = {"bytes": len(files.content[path]) - 1, "sha256": None}
        networks = (entry.networks[0], entry.networks[1].model_copy(update=update))
        return entry.model_copy(update={"networks": networks})
    files.content[path] = bad_zip(name, archive)
    return entry_of(files)


def bad_zip(name: str, archive: Path) -> bytes:
    if name == "no zip":
        return b"not a zip"
    if name == "two networks":
        for trainer in ("a__nnUNetTrainerNoMirroring__1", "b__nnUNetTrainerNoMirroring__2"):
            write_v2(published(BONES), archive.parent / "two" / trainer)
        return zipped(archive.parent / "two", archive).read_bytes()
    inside = zipfile.ZipInfo({"traversal": "../evil", "absolute": "/tmp/evil"}.get(name, "a/b"))
    if name == "link":
        inside.external_attr = 0o120777 << 16
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(inside, "/etc/passwd")
    return archive.read_bytes()


TEXTS = {
    "wrong checksum": "with SHA-256 .* got another: it was removed",
    "another size": "bytes as listed, the server offers",
    "gone": "the server answers 404",
    "no zip": "got a damaged one",
    "traversal": "got the path '../evil': nothing is unpacked",
    "absolute": "got the path '/tmp/evil'",
    "link": "got the link 'a/b'",
    "no network": "got none",
    "two networks": "expected one network in a folder like",
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_archive_has_its_own_sentence_and_nothing_is_half_installed(
    files: Files, models: Path, tmp_path: Path, name: str
) -> None:
    before = snapshot(models / "bones")
    entry = spoil(name, files, tmp_path / "bad.zip")
    with pytest.raises(ModelError, match=TEXTS[name]):
        installed(entry, models)
    assert sorted(path.name for path in models.iterdir()) == [".downloads", "bones"]
    assert snapshot(models / "bones") == before
    assert not (tmp_path / "evil").exists()


def test_a_disk_that_fills_up_is_said_and_what_has_arrived_stays(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloading, "CHUNK_BYTES", 4096)
    content, network = next(iter(files.content.values())), entry_of(files).networks[0]
    with small_disk(tmp_path / "disk", 3) as disk:
        taken: list[Path] = []

        def tell(*_: object) -> None:
            """Another program takes the room that was there when the download began."""
            if not taken:
                taken.append(fill(disk))

        with pytest.raises(OutputError, match="No space left on device"):
            download(network, disk / ".downloads", tell)
        taken[0].unlink()
        assert download(network, disk / ".downloads", lambda *_: None).read_bytes() == content
        assert files.ranges[-1] == "bytes=4096-"


def test_too_little_room_is_said_before_anything_is_fetched(
    files: Files, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = shutil.disk_usage(models)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    with pytest.raises(OutputError, match="MB are needed"):
        installed(entry_of(files), models)
    assert left_by_downloads(models) == [".downloads"]


@pytest.mark.parametrize("form", ["archives", "folders"])
def test_machines_without_internet_install_from_files_or_folders(
    files: Files, models: Path, tmp_path: Path, form: str
) -> None:
    source = tmp_path / "usb"
    source.mkdir()
    for path, content in files.content.items():
        archive = source / Path(path).name
        archive.write_bytes(content)
        if form == "folders":
            with zipfile.ZipFile(archive) as file:
                file.extractall(source)
            archive.unlink()
    before = snapshot(source)
    entry = entry_of(files)
    assert len(installed(entry, models, source)) == 2
    assert snapshot(source) == before
    assert files.ranges == []
    with pytest.raises(UsageError, match="expected an unused name"):
        installed(entry, models, source)
    with pytest.raises(UsageError, match=r"Dataset292_Spine_3subj\.zip and Dataset294_Muscles"):
        installed(entry_renamed(entry), models, tmp_path / "models")


def entry_renamed(entry: CatalogueEntry) -> CatalogueEntry:
    networks = tuple(each.model_copy(update={"package": f"other-{each.package}"}) for each in entry.networks)
    return entry.model_copy(update={"networks": networks})


def test_a_file_whose_checksum_is_another_is_not_installed(
    files: Files, models: Path, tmp_path: Path
) -> None:
    entry = entry_of(files)
    alone = entry.model_copy(update={"networks": entry.networks[:1]})
    path = tmp_path / "weights.zip"
    path.write_bytes(next(iter(files.content.values())) + b" ")
    with pytest.raises(ModelError, match="got another"):
        installed(alone, models, path)


def test_a_licence_that_forbids_the_use_is_said_and_nothing_is_fetched(files: Files, models: Path) -> None:
    with pytest.raises(ModelError, match="that of Made bones forbids commercial use"):
        installed(entry_of(files, forbids="commercial use"), models)
    with pytest.raises(ModelError, match="fetched by hand, from a drive"):
        installed(entry_of(files, by_hand="from a drive"), models)
    assert files.ranges == []


def test_the_command_shows_the_licence_asks_and_installs(
    files: Files, models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    catalogue = tmp_path / "catalogue.toml"
    catalogue.write_text(tomlkit.dumps({"made": entry_of(files).model_dump(exclude_none=True)}))
    words = ["models", "install", "made", "--catalogue", str(catalogue), "--models", str(models)]
    assert run(words) == 2
    told = capsys.readouterr().err
    assert "licence: Apache-2.0. Any use." in told
    assert "expected --accept-licence" in told
    assert run([*words, "--accept-licence"]) == 0
    assert "made-1: does not deliver gluteus_maximus_left, autochthon_left" in capsys.readouterr().out


def run(words: list[str]) -> object:
    with pytest.raises(SystemExit) as ended:
        execute(app, words)
    return ended.value.code


def test_the_catalogue_that_ships_is_valid_and_says_licence_and_source_of_everything() -> None:
    catalogue = read_catalogue()
    assert {"totalsegmentator", "totalsegmentator-fast", "hip-implant", "cads", "moose", "fracsegnet"} <= set(
        catalogue
    )
    names = [network.package for entry in catalogue.values() for network in entry.networks]
    assert len(set(names)) == len(names)
    for entry in catalogue.values():
        assert all(network.url or entry.by_hand for network in entry.networks)
        assert entry.address.startswith("https://")


def test_an_address_that_nothing_protects_needs_a_checksum(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.toml"
    row = {"package": "a", "url": "http://example.org/a.zip", "labels": "totalsegmentator"}
    path.write_text(tomlkit.dumps({"a": {"title": "a", "networks": [row]}}))
    with pytest.raises(OsteonError):
        read_catalogue(path)
    with pytest.raises(ValueError, match="http with a sha256"):
        CatalogueNetwork(**row)

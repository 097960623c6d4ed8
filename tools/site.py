"""Build the documentation as a site in English and Chinese: `make site`, and as a check in `make check`.

Zensical builds one language at a time, strictly: a link that leads nowhere is an error. `tools/site.yml` has the
navigation of both. The pages at the root of the repository join those of `docs/`, with their links turned.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
SITE = ROOT / "site"
SETTINGS = ROOT / "tools" / "site.yml"
PAGES = ("README.md", "README.zh.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
"""The pages at the root of the repository that join the site."""

_LINK = re.compile(r"(!?)\[([^]]*)\]\((?!https?:|mailto:|#)([^)\s#]+)(#[^)\s]*)?\)")
# A line that is wrapped within Chinese: a browser would show the break as a space.
_WRAP = re.compile(
    r"(?<=[\u3001-\u30ff\u4e00-\u9fff\uff01-\uff5e”])\n {0,3}(?=[\u3001-\u30ff\u4e00-\u9fff\uff01-\uff5e“])"
)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_ASSET = re.compile(r"""<(?:script|img|link rel="(?:stylesheet|icon)")[^>]*?(?:src|href)="(?:https?:)?//[^"]*""")


class SiteError(Exception):
    """The site cannot be built, or fetches something from elsewhere."""


def page_of(path: str, home: str) -> str | None:
    """Return the path within the site of a file of the repository, or None if the site does not have it.

    Args:
        path: The file, from the root of the repository.
        home: The page at the root that is the home page of the language.
    """
    if path in {home, "docs/README.md"}:
        return "index.md"
    if path in PAGES:
        return path.lower().replace("readme.md", "readme.en.md").replace("security.md", "security-policy.md")
    return path.removeprefix("docs/") if path.startswith("docs/") else None


def relink(markdown: str, source: str, home: str) -> str:
    """Turn the relative links of a page into links within the site.

    A link to a file outside the site, such as a module, becomes its text.

    Args:
        markdown: The text of the page.
        source: The page, from the root of the repository.
        home: The page at the root that is the home page of the language.
    """
    depth = (page_of(source, home) or "").count("/")

    def turned(match: re.Match[str]) -> str:
        target = (ROOT / source).parent.joinpath(match[3]).resolve().relative_to(ROOT).as_posix()
        page = page_of(target, home)
        return f"{match[1]}[{match[2]}]({'../' * depth}{page}{match[4] or ''})" if page else match[2]

    return _LINK.sub(turned, markdown)


def stage(folder: Path, home: str) -> None:
    """Copy the pages and pictures of one language's site into a folder, with their links turned."""
    docs = [path for path in (ROOT / "docs").rglob("*") if path.is_file() and path != ROOT / "docs" / "README.md"]
    for path in (*(ROOT / page for page in PAGES), *docs):
        source = path.relative_to(ROOT).as_posix()
        target = folder / (page_of(source, home) or source)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".md":
            text = _WRAP.sub("", path.read_text(encoding="utf-8"))
            target.write_text(relink(text, source, home), encoding="utf-8")
        else:
            shutil.copyfile(path, target)


def configuration(settings: dict[str, Any], language: str) -> dict[str, Any]:
    """Return the configuration of Zensical for one language."""
    own = {key: value for key, value in settings["languages"][language].items() if key != "home"}
    english, chinese = ("./", "zh/") if language == "en" else ("../", "./")
    alternate = [
        {"name": "English", "link": f"{english}index.html", "lang": "en"},
        {"name": "中文", "link": f"{chinese}index.html", "lang": "zh"},
    ]
    theme = {**settings["common"]["theme"], "language": language}
    return {**settings["common"], **own, "theme": theme, "extra": {"alternate": alternate}}


def build(language: str, settings: dict[str, Any], target: Path) -> None:
    """Build the site of one language.

    Raises:
        SiteError: Zensical refuses a page or a link.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        stage(folder / "docs", settings["languages"][language]["home"])
        file = folder / "mkdocs.yml"
        file.write_text(yaml.safe_dump(configuration(settings, language), allow_unicode=True), encoding="utf-8")
        command = [str(Path(sys.executable).with_name("zensical")), "build", "--strict", "--config-file", str(file)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
        if done.returncode:
            findings = _COLOUR.sub("", done.stderr).partition("Traceback")[0]
            raise SiteError(f"the {language} site has broken pages or links:\n{findings}")
        shutil.copytree(folder / "site", target, dirs_exist_ok=True)


def foreign_assets(site: Path) -> list[str]:
    """Return the scripts, styles and pictures that pages would fetch from elsewhere."""
    return sorted(
        f"{page.relative_to(site)}: {match[0]}"
        for page in site.rglob("*.html")
        for match in _ASSET.finditer(page.read_text(encoding="utf-8"))
    )


def main() -> None:
    """Build both languages into `site/`, English at its root and Chinese under `zh/`."""
    settings = yaml.safe_load(SETTINGS.read_text(encoding="utf-8"))
    shutil.rmtree(SITE, ignore_errors=True)
    build("en", settings, SITE)
    build("zh", settings, SITE / "zh")
    if foreign := foreign_assets(SITE):
        raise SiteError("pages would fetch from elsewhere: " + "; ".join(foreign))


if __name__ == "__main__":
    try:
        main()
    except SiteError as error:
        sys.exit(str(error))

"""`python bare.py WHEELS SITE`: put the wheels of packages this Python lacks into the folder SITE, without network.

What is there already, torch and the numpy that it was built for above all, stays. Needs nothing but Python and pip.
"""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path


def missing(wheels: Path) -> list[Path]:
    """The wheels of a folder whose packages are not installed."""
    return [wheel for wheel in sorted(wheels.glob("*.whl")) if not _installed(wheel.name.split("-")[0])]


def _installed(name: str) -> bool:
    for spelling in (name, re.sub(r"[-_.]+", "-", name)):
        try:
            metadata.version(spelling)
            return True
        except metadata.PackageNotFoundError:
            continue
    return False


def main() -> None:
    wheels, site = Path(sys.argv[1]), Path(sys.argv[2])
    site.mkdir(parents=True, exist_ok=True)
    wanted = missing(wheels)
    print(f"{len(wanted)} packages from {wheels}: {', '.join(wheel.name.split('-')[0] for wheel in wanted) or 'none'}")
    if wanted:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", str(site)]
        raise SystemExit(subprocess.run([*pip, *map(str, wanted)]).returncode)


if __name__ == "__main__":
    main()

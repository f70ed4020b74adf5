"""Packaging of the GTE market maker."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (ROOT / "market_maker/__init__.py").read_text("utf-8"))
assert VERSION

PAPER = ["aiohttp>=3.9,<4"]
DATA = ["zstandard>=0.22"]
SWEEP = ["distributed>=2024.1"]

setup(
    name="gte-market-maker",
    version=VERSION[1],
    description="A market making bot for the GTE exchange, with a paper exchange to run it on",
    long_description=(ROOT / "README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["market_maker", "market_maker.*"]),
    package_data={"market_maker": ["docs/*/*.md", "docs/en/*.png"]},
    install_requires=["requests>=2.32.4,<3", "websocket-client>=1.9,<2"],
    extras_require={
        "paper": PAPER,
        "data": DATA,
        "sweep": SWEEP,
        "test": [
            *PAPER,
            *DATA,
            *SWEEP,
            "numpy>=1.26",
            *("pytest>=8", "pytest-xdist>=3.5", "responses>=0.25", "hypothesis>=6.100"),
            "markdown-it-py>=3",
        ],
    },
    entry_points={"console_scripts": ["marketmaker=market_maker:run"]},
)

"""Where everything that the project makes lives on disk."""

import os
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Paths:
    """The files and folders below one data folder. Nothing is created here."""

    data: Path

    @classmethod
    def from_environment(cls) -> "Paths":
        """The folder that SEGMENT_OF_ONE_DATA names, or `data/` in the project."""
        return cls(Path(os.environ.get("SEGMENT_OF_ONE_DATA") or PROJECT / "data").resolve())

    @property
    def landing(self) -> Path:
        """Files as the source systems deliver them: landing/<system>/<entity>/*."""
        return self.data / "landing"

    @property
    def raw(self) -> Path:
        """Typed Parquet files, one for each landed file, and the ledger of loads."""
        return self.data / "raw"

    @property
    def quarantine(self) -> Path:
        """Rows that could not be loaded, with their reason."""
        return self.data / "quarantine"

    @property
    def warehouse(self) -> Path:
        """The DuckDB file that only the build opens."""
        return self.data / "warehouse.duckdb"

    @property
    def registry(self) -> Path:
        """Files that keep what outlives every rebuild, should the warehouse be lost."""
        return self.data / "registry"

    @property
    def serving(self) -> Path:
        """The link to the DuckDB file that readers open."""
        return self.data / "serving.duckdb"

    @property
    def versions(self) -> Path:
        """The published files that `serving` has pointed or points to."""
        return self.data / "serving"

    @property
    def replays(self) -> Path:
        """One data folder for each past date that was built again."""
        return self.data / "replays"

    @property
    def truth(self) -> Path:
        """What the demo generator knows about its people; no model reads it."""
        return self.data / "truth"

    @property
    def linkage_model(self) -> Path:
        """The linkage model that was trained on this folder's customers; it need not be there."""
        return self.data / "linkage" / "model.json"

    @property
    def predictions(self) -> Path:
        """The models that predict, a folder for each version."""
        return self.data / "predictions"

    @property
    def predicted_at(self) -> Path:
        """When predictions were published last; the next build shows them."""
        return self.predictions / "predicted_at"

    @property
    def exports(self) -> Path:
        """What syncs remember, and the payloads of dry runs."""
        return self.data / "exports"

    @property
    def erasure(self) -> Path:
        """What proves that people were forgotten, and what is still to be done of it."""
        return self.data / "erasure"

    @property
    def reports(self) -> Path:
        """Pages and documents that people look at."""
        return self.data / "reports"

    @property
    def logs(self) -> Path:
        """Logs of dbt and the build."""
        return self.data / "logs"

    @property
    def lock(self) -> Path:
        """The file that a build holds locked while it works."""
        return self.data / ".build.lock"

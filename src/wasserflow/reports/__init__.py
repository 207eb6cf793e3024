"""What a run leaves behind: its record, its pictures and its tables."""

from wasserflow.reports.animation import save_animation
from wasserflow.reports.compute import save_quality_against_compute
from wasserflow.reports.curves import save_curves
from wasserflow.reports.grids import captioned, image_grid, side_by_side, trajectory_rows
from wasserflow.reports.latent_density import save_latent_density
from wasserflow.reports.panels import shared_limits
from wasserflow.reports.record import RunRecord, read_record, require_same_run
from wasserflow.reports.reliability import save_reliability
from wasserflow.reports.run_directory import check_out_dir, prepare_out_dir
from wasserflow.reports.scatter import save_scatter_panels, scatter_frame
from wasserflow.reports.spreads import Spread, sets_told, spread, spread_text
from wasserflow.reports.table import before_after_table, format_table
from wasserflow.reports.velocity_field import save_velocity_fields

__all__ = [
    "RunRecord",
    "Spread",
    "before_after_table",
    "captioned",
    "check_out_dir",
    "format_table",
    "image_grid",
    "prepare_out_dir",
    "read_record",
    "require_same_run",
    "save_animation",
    "save_curves",
    "save_latent_density",
    "save_quality_against_compute",
    "save_reliability",
    "save_scatter_panels",
    "save_velocity_fields",
    "scatter_frame",
    "sets_told",
    "shared_limits",
    "side_by_side",
    "spread",
    "spread_text",
    "trajectory_rows",
]

"""Data sets: images, text and the two toys; files are looked for in `wasserflow.data.folder.data_folder()`."""

from wasserflow.loading import load_when_used

_HOMES = {
    "Alphabet": "wasserflow.data.text",
    "Gaussians25": "wasserflow.data.toy",
    "LabelledImages": "wasserflow.data.images",
    "SwissRoll": "wasserflow.data.toy",
    "billion_words": "wasserflow.data.text",
    "cifar10": "wasserflow.data.images",
    "image_folder": "wasserflow.data.images",
    "image_parquet": "wasserflow.data.images",
    "mnist": "wasserflow.data.images",
    "to_float": "wasserflow.data.images",
    "to_uint8": "wasserflow.data.images",
}
__all__ = sorted(_HOMES)
__getattr__ = load_when_used(__name__, _HOMES)


def __dir__() -> list[str]:
    return __all__

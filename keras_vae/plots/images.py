"""Data that are images: one picture each, in rows and columns."""

import numpy as np

from keras_vae.plots.figure import FILE_DPI, Figure


def are_images(data_shape):
    """Whether examples are pictures, not series `(steps, channels)` of few channels."""
    if len(data_shape) == 2:
        return data_shape[1] > 4
    return len(data_shape) == 3 and data_shape[2] in (1, 3, 4)


def image_figure(
    images, num_columns, title, row_labels=(), column_labels=(), column_title=""
):
    """Images in rows of `num_columns`, each a picture of its own on common axes."""
    num_rows = -(-len(images) // num_columns)
    num_pixels = images.shape[2]
    # In widths of an image.
    height, gap = images.shape[1] / num_pixels, 0.06
    right, bottom = (1 + gap) * num_columns - gap, (height + gap) * num_rows - gap
    # Large images are drawn larger, small ones as large as ten of them find room.
    inches = np.clip(9.0 / num_columns, 0.5, np.clip(num_pixels / 100, 0.8, 2.0))
    figure = Figure(right * inches, bottom * inches)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_title(title)
    low, high = _value_range(images)
    if images.ndim == 4 and images.shape[-1] > 1:
        images = np.clip((images - low) / (high - low), 0.0, 1.0)
    # Enlarged, a pixel is a square with sharp edges; made smaller, it is averaged.
    interpolation = "nearest" if num_pixels <= inches * FILE_DPI else "auto"
    for i, image in enumerate(images):
        left, top = (i % num_columns) * (1 + gap), (i // num_columns) * (height + gap)
        axes.imshow(
            image,
            cmap="gray",
            vmin=low,
            vmax=high,
            extent=(left, left + 1, top + height, top),
            interpolation=interpolation,
        )
    axes.set(xlim=(0, right), ylim=(bottom, 0))
    axes.set_xticks(np.arange(len(column_labels)) * (1 + gap) + 0.5, column_labels)
    middles = np.arange(len(row_labels)) * (height + gap) + height / 2
    axes.set_yticks(middles, row_labels)
    axes.set_xlabel(column_title)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    _grow_around(figure, axes)
    return figure


def _grow_around(figure, axes):
    """Makes room for what is written around axes that fill the figure."""
    size = figure.get_size_inches()
    box = axes.get_tightbbox(figure.canvas.get_renderer())
    box = box.transformed(figure.dpi_scale_trans.inverted()).padded(0.1)
    figure.set_size_inches(box.size)
    axes.set_position((*(-box.min / box.size), *(size / box.size)))


def _value_range(images):
    """Black and white: 0 and 1 for images, near enough; else the data's own range."""
    low, high = float(images.min()), float(images.max())
    if low > -0.5 and high < 1.5:
        return 0.0, 1.0
    return low, max(high, low + 1e-6)

"""The report's charts as PNG, for places that show no HTML."""

from kdcl_tf.training import figures


def write(path, groups, x_label, y_label, scale):
    """Writes charts side by side.

    Args:
      path: of the PNG.
      groups: `[(heading, charts.Series)]`, a chart each.
      x_label, y_label: with units.
      scale: named in every heading.
    """
    figure, axes = figures.new(6.5 * len(groups), 5.2, columns=len(groups))
    for place, (heading, series) in zip(axes, groups):
        for each in (each for each in series if each.points):
            place.plot(
                *zip(*each.points),
                label=each.label,
                color=figures.COLOURS[each.colour],
                linestyle="--" if each.dashed else "-",
                linewidth=2.6 if each.heavy else 1.3,
            )
        place.set(title=f"{heading} ({scale} scale)", xlabel=x_label, ylabel=y_label)
    handles, labels = axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=9)
    figures.save(figure, path, dpi=100)

"""Draws what scripts/compare has found, with gnuplot."""

import statistics
import subprocess
import tempfile

SCRIPT = """\
set terminal svg size {width},520 font "sans-serif,12" background rgb "white"
set output "{output}"
set title "Server CPU time per request, relative to the floor (files: to nginx)"
set style data histogram
set style histogram clustered gap 1
set style fill solid 0.8 noborder
set yrange [0:{top}]
set ytics 0.25
set grid ytics linecolor rgb "#dddddd"
set key outside top horizontal
set xtics rotate by -30 scale 0
set datafile separator "\\t"
set datafile missing "?"
plot {columns}
"""
SCALE_SCRIPT = """\
set terminal svg size 900,420 font "sans-serif,12" background rgb "white"
set output "{output}"
set title "Server CPU time per request as connections grow, 64 of them at work in turn"
set xlabel "connections"
set ylabel "relative to the floor"
set y2label "bytes of memory for each connection"
set logscale x
set xtics ({tics})
set yrange [0:*]
set y2range [0:*]
set ytics nomirror
set y2tics
set grid ytics linecolor rgb "#dddddd"
set key outside top horizontal
set datafile separator "\t"
set datafile missing "?"
plot {curves}
"""
TOP = 3.0  # what costs more leaves the picture


def draw(report, servers, output):
    """Writes the costs of a report as an SVG picture; who has no figure has no bar."""
    costs = {name: result for name, result in report["profiles"].items()
             if result["kind"] == "cost"}
    if not costs:
        return
    lines = ["\t".join(["profile", *servers])]
    for name, result in costs.items():
        row = [name]
        for server in servers:
            ratios = result["servers"].get(server, {}).get("ratio")
            row.append(f"{min(statistics.median(ratios), TOP):.3f}" if ratios else "?")
        lines.append("\t".join(row))
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as data:
        data.write("\n".join(lines) + "\n")
        data.flush()
        columns = ", ".join(
            f'"{data.name}" using {index + 2}' + (":xtic(1)" if index == 0 else "")
            + f' title "{server}"' for index, server in enumerate(servers))
        script = SCRIPT.format(width=max(700, 90 * len(costs)), output=output, top=TOP,
                               columns=columns)
        subprocess.run(["gnuplot"], input=script, text=True, check=True)


def draw_scale(report, servers, output):
    """Writes the costs and the memory of connections as curves over their number."""
    results = {int(name.removeprefix("scale-")): result
               for name, result in report["profiles"].items()}
    lines, curves = [], []
    for count, result in sorted(results.items()):
        row = [str(count)]
        for server in servers:
            figures = result["servers"].get(server, {})
            row.append(f"{statistics.median(figures['ratio']):.3f}" if figures.get("ratio") else "?")
            row.append(f"{figures['connection_bytes'][0]:.0f}" if figures.get("ratio") else "?")
        lines.append("\t".join(row))
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as data:
        data.write("\n".join(lines) + "\n")
        data.flush()
        for index, server in enumerate(servers):
            curves.append(f'"{data.name}" using 1:{2 * index + 2} with linespoints linecolor '
                          f'{index + 1} title "{server}"')
            curves.append(f'"{data.name}" using 1:{2 * index + 3} axes x1y2 with lines dashtype 3 '
                          f'linecolor {index + 1} title "{server}, memory"')
        script = SCALE_SCRIPT.format(output=output, curves=", ".join(curves),
                                     tics=", ".join(f'"{count:,}" {count}' for count in results))
        subprocess.run(["gnuplot"], input=script, text=True, check=True)

"""python -m pipelines.compile_tpu.table: writes the table of docs/tpu.md from what was compiled."""

import json
import pathlib

from pipelines import command_line
from pipelines.compile_tpu.report import size_in_words
from pipelines.errors import UserError

BEGIN, END = "<!-- made by `make tpu-table` -->\n", "<!-- end of the table -->\n"
_COLUMNS = (
    "run, step",
    "slice",
    "computes in, optimizer, computes again",
    "rows a device (microbatches)",
    "HBM a device: needed, at the peak",
    "of it arguments, temporary",
    "GFLOP a device, by hand",
    "collectives",
    "compiled in, of one core",
)


def main(arguments=None):
    """Runs the command.

    Args:
        arguments: list of str, or None for the command line's.

    Raises:
        UserError: files that cannot be read, or a page without a place for the table.
    """
    flags = command_line.parser("pipelines.compile_tpu.table", __doc__)
    flags.add_argument("--records", required=True, type=command_line.path, help="JSON lines")
    flags.add_argument("--page", required=True, type=command_line.path, help="Markdown file")
    flags = flags.parse_args(arguments)
    with command_line.user_errors(OSError, ValueError, KeyError):
        lines = pathlib.Path(flags.records).read_text().splitlines()
        page = pathlib.Path(flags.page)
        text = page.read_text(encoding="utf-8")
        new = replace(text, make_table([json.loads(line) for line in lines]))
        page.write_text(new, encoding="utf-8")


def replace(text, table):
    """A page's text with another table.

    Raises:
        UserError: the page has no place for one.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise UserError(f"the page needs the lines {BEGIN.strip()} and {END.strip()}")
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def make_table(records):
    """Markdown of records, in their order.

    Args:
        records: list of dict, the lines of `--output`.
    """
    rows = [_COLUMNS, ["---"] * len(_COLUMNS), *(_row(record) for record in records)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _row(record):
    again = record["rematerialize"]
    again = ("every block" if again else "nothing") if isinstance(again, bool) else "some blocks"
    is_train = record["step"] == "train"
    row = [
        f"{record['run'][0]}, {record['step']}",
        f"`{record['topology']}`",
        f"{record['dtype']}, {record['optimizer']}, {again}" if is_train else record["dtype"],
        f"{record['rows']:,} ({record['microbatches']:,})" if is_train else f"{record['rows']:,}",
    ]
    if "refused" in record:
        reason = record["refused"].split(": ", 1)[-1].splitlines()[0]
        return [*row, f"**refused**: {reason}", "–", "–", "–", "–"]
    collectives = record["collectives"].items()
    ratio = record["flops"] / record["hand_flops"]
    return [
        *row,
        f"{size_in_words(record['hbm_bytes'])}, {size_in_words(record['peak_bytes'])}",
        f"{size_in_words(record['argument_bytes'])}, {size_in_words(record['temp_bytes'])}",
        f"{record['flops'] / 1e9:,.0f}, {record['hand_flops'] / 1e9:,.0f} (× {ratio:.2f})",
        ", ".join(f"{count} {name}" for name, count in collectives) or "none",
        f"{record['compile_cpu_s']:.0f} s" if "compile_cpu_s" in record else "–",
    ]


if __name__ == "__main__":
    command_line.run(main)

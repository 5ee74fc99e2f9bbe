"""What came of a compilation, for people."""

import rich.console
import rich.table

GIGA = 1e9


def size_in_words(number):
    """Bytes as GiB, or as MiB where they are fewer than one."""
    return f"{number / 2**30:.1f} GiB" if number >= 2**30 else f"{number / 2**20:,.1f} MiB"


def figures(record):
    """The figures of a record in words: dict of str.

    Args:
        record: dict, a line of `--output`.
    """
    ratio = record["flops"] / record["hand_flops"]
    collectives = record["collectives"].items()
    return {
        "step": record["step"],
        "topology": f"{record['topology']}, {record['devices']:,} × {record['device_kind']}",
        "parameters": f"{record['parameters']:,}",
        "rows of a device": f"{record['rows']:,} in {record['microbatches']:,} microbatches",
        "memory of a device": size_in_words(record["hbm_bytes"]),
        "at the peak": size_in_words(record["peak_bytes"]),
        "of it arguments": size_in_words(record["argument_bytes"]),
        "of it temporary": size_in_words(record["temp_bytes"]),
        "operations": f"{record['flops'] / GIGA:,.1f} GFLOP, each loop's body once",
        "by hand": f"{record['hand_flops'] / GIGA:,.1f} GFLOP for a microbatch: × {ratio:.2f}",
        "collectives": ", ".join(f"{count} {name}" for name, count in collectives) or "none",
        "compiled in": f"{record['compile_s']:.0f} s, {record['compile_cpu_s']:.0f} s of one core",
    }


def show(record):
    """Prints a record as a table."""
    table = rich.table.Table(show_header=False)
    for name, value in figures(record).items():
        table.add_row(name, value)
    rich.console.Console().print(table)

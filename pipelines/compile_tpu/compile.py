"""Compiles a serialised HLO module with the TPU compiler, for a slice that is not there.

    python compile.py MODULE FACTS TOPOLOGY

Runs in the environment of requirements-tpu-compiler.txt and imports nothing of this repository.
Prints one JSON object: what the executable needs, or `refused` with the compiler's reason.
"""

import json
import os
import re
import sys
import time

# No TPU is looked for: the compiler alone is wanted.
os.environ.update(TPU_SKIP_MDS_QUERY="1", JAX_PLATFORMS="cpu", ALLOW_MULTIPLE_LIBTPU_LOAD="1")

import jax
import numpy as np
from jax._src import compiler
from jax._src.interpreters import mlir
from jax._src.lib import _jax
from jax._src.lib.mlir import ir
from jax.experimental import topologies

COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")


def main(module, facts, topology):
    """Compiles, and prints what came of it."""
    with open(facts) as file:
        donated = json.load(file)["donated"]
    with open(module, "rb") as file:
        hlo = file.read()
    try:
        devices = topologies.get_topology_desc(platform="tpu", topology_name=topology).devices
    except jax.errors.JaxRuntimeError as error:
        print(f"error: --topology={topology}: {error}", file=sys.stderr)
        sys.exit(2)
    begin, begin_cpu = time.monotonic(), time.process_time()
    try:
        executable = _compile(hlo, donated, devices)
    except jax.errors.JaxRuntimeError as error:
        print(json.dumps({"refused": str(error)}))
        return
    record = {
        "compile_s": round(time.monotonic() - begin, 1),
        # What it takes whatever else the machine does.
        "compile_cpu_s": round(time.process_time() - begin_cpu, 1),
        "devices": len(devices),
        "device_kind": devices[0].device_kind,
    }
    print(json.dumps(record | _describe(executable)))


def _compile(hlo, donated, devices):
    """Replicas that each run the whole program, as `tf.distribute.TPUStrategy` runs them."""
    count = len(devices)
    assignment = np.array([device.id for device in devices]).reshape(count, 1)
    options = compiler.get_compile_options(count, 1, device_assignment=assignment)
    options.executable_build_options.use_spmd_partitioning = False
    options.executable_build_options.use_shardy_partitioner = False
    with mlir.make_ir_context():
        module = ir.Module.parse(_jax.mlir.hlo_to_stablehlo(hlo))
        _donate(module, donated)
        return compiler.backend_compile_and_load(
            devices[0].client, module, _jax.DeviceList(tuple(devices)), options, []
        )


def _donate(module, donated):
    """Lets results take the places of arguments, as a step's variables do."""
    main = next(part for part in module.body.operations if part.name.value == "main")
    # Once: each look makes a list of thousands.
    inputs, results = list(main.type.inputs), list(main.type.results)
    attributes = [{} for _ in inputs]
    number = ir.IntegerType.get_signless(32)
    for argument, result in donated:
        if inputs[argument] != results[result]:
            raise ValueError(
                f"Argument {argument} is {inputs[argument]}, result {result} is "
                f"{results[result]}: the one cannot take the other's place."
            )
        attributes[argument]["tf.aliasing_output"] = ir.IntegerAttr.get(number, result)
    main.attributes["arg_attrs"] = ir.ArrayAttr.get([ir.DictAttr.get(a) for a in attributes])


def _describe(executable):
    """Memory of a device in bytes, its operations, and how often it speaks with the others."""
    memory, cost = executable.get_compiled_memory_stats(), executable.cost_analysis()
    cost = cost[0] if isinstance(cost, list) else cost
    text = executable.hlo_modules()[0].to_string()
    counts = {name: len(re.findall(rf" {name}(?:-start)?\(", text)) for name in COLLECTIVES}
    held = memory.argument_size_in_bytes + memory.output_size_in_bytes + memory.temp_size_in_bytes
    held += memory.generated_code_size_in_bytes - memory.alias_size_in_bytes
    return {
        "hbm_bytes": held,
        "peak_bytes": memory.peak_memory_in_bytes,
        "argument_bytes": memory.argument_size_in_bytes,
        "output_bytes": memory.output_size_in_bytes,
        "alias_bytes": memory.alias_size_in_bytes,
        "temp_bytes": memory.temp_size_in_bytes,
        "flops": cost["flops"],
        "collectives": {name: count for name, count in counts.items() if count},
    }


if __name__ == "__main__":
    main(*sys.argv[1:])

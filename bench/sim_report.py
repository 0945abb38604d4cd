"""bench/sim's measurements as JSON: python3 bench/sim_report.py FOLDER [MESH.json...]"""
import json
import statistics
import subprocess
import sys

folder, meshes = sys.argv[1], [json.load(open(name)) for name in sys.argv[2:]]


def text(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


runs = {}
for line in open(folder + "/runs"):
    group, command, times, counts = line.rstrip("\n").split("|")
    wall, user, system, peak = times.split()
    macs, cycles = map(int, counts.split())
    entry = runs.setdefault(group, {"command": "guardbit " + command.replace(folder, "out"), "macs": macs,
                                    "cycles": cycles, "wall_s": [], "cpu_s": [], "peak_kib": []})
    entry["wall_s"].append(float(wall))
    entry["cpu_s"].append(round(float(user) + float(system), 2))
    entry["peak_kib"].append(int(peak))
for entry in runs.values():
    entry["wall_s"] = {"median": statistics.median(entry["wall_s"]), "all": entry["wall_s"]}
    entry["cpu_s"] = {"median": statistics.median(entry["cpu_s"]), "all": entry["cpu_s"]}
    entry["peak_kib"] = max(entry["peak_kib"])
    entry["gmacs_per_cpu_second"] = round(entry["macs"] / entry["cpu_s"]["median"] * 1e-9, 3)

# Of each mesh the fastest of its runs, of ours the median: whole commands, start and report included.
ratios = {}
for form in meshes[0] if meshes else {}:
    mesh = max(one[form]["gmacs_per_second"] for one in meshes)
    assert all(one[form]["wrong"] == 0 for one in meshes)
    ratios[form] = {"mesh_gmacs_per_second": mesh, "mesh_runs": [one[form] for one in meshes]}
    for engine in ("tile", "array"):
        ours = runs[f"cifarnet {engine} {form}"]["gmacs_per_cpu_second"]
        ratios[form][engine] = round(ours / mesh, 2)

processor = next(l.split(":", 1)[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name"))
print(json.dumps({
    "command": "bench/sim",
    "commit": text("git", "describe", "--always", "--dirty").strip(),
    "compiler": text("c++", "--version").splitlines()[0],
    "processor": processor,
    "verilator": text("verilator", "--version").strip() if meshes else None,
    "ratio_to_verilator_mesh": ratios,
    "runs": {name: entry for name, entry in runs.items() if name.split()[0] in ("cifarnet", "resnet18")},
    "over_images": {name: entry for name, entry in runs.items() if name.startswith("images")},
    "over_array_sizes": {name: entry for name, entry in runs.items() if name.startswith("side")},
}, indent=2))

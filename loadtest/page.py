"""The template of the report: one HTML page that needs nothing else."""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Load: {{ title }}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .6rem; border-bottom: 1px solid #ddd; text-align: right; }
th:first-child, td:first-child { text-align: left; }
img { max-width: 100%; }
.bad { color: #b3312c; font-weight: bold; }
small { color: #666; }
</style>
</head>
<body>
<h1>Load test</h1>
<p>{{ title }}.</p>
{% if report.wrong %}<p class="bad">{{ report.wrong }} requests were answered wrongly.</p>{% endif %}
{% for name, png in figures.items() %}<p><img alt="{{ name }}" src="data:image/png;base64,{{ png }}"></p>
{% endfor %}
<h2>Throughput and latency</h2>
<table>
<tr><th>stage<th>requests<th>pictures/s<th>MB/s<th>median ms<th>95 %<th>99 %<th>longest<th>sent late, ms
{%- for kind in kinds %}<th>{{ kind }}{% endfor %}</tr>
{% for o in report.outcomes %}<tr><td>{{ o.name }}<td>{{ o.requests }}<td>{{ o.pictures | number }}
<td>{{ o.megabytes | number }}<td>{{ o.latency.p50 | number }}<td>{{ o.latency.p95 | number }}
<td>{{ o.latency.p99 | number }}<td>{{ o.latency.largest | number }}<td>{{ o.late | number }}
{%- for kind in kinds %}<td class="{{ "bad" if o.failures.get(kind) }}">{{ o.failures.get(kind, 0) }}{% endfor %}</tr>
{% endfor %}</table>
<p><small>Only answers that are right, by a computation in another process, count in rates and latencies; the others are
in the last columns, by kind. Latency is that of whole requests, from the moment they were due; "sent late" is the part
of it (99th percentile) that is the load generator's own fault. The first {{ report.question["warmup"] }} s of a stage
do not count.</small></p>

<h2>Machine in use</h2>
<table>
<tr><th>stage<th>server, cores<th>load generator, cores<th>server's memory, MiB
{%- if gpu %}<th>GPU, %<th>GPU memory, MiB{% endif %}</tr>
{% for o in report.outcomes %}<tr><td>{{ o.name }}<td>{{ o.usage.server_cores | number }}
<td>{{ o.usage.generator_cores | number }}<td>{{ o.usage.memory | mib }}
{%- if gpu %}<td>{{ o.usage.gpu | number }}<td>{{ o.usage.gpu_memory | mib }}{% endif %}</tr>
{% endfor %}</table>
<p><small>Cores are means; memory is the largest proportional set size of all the server's processes.</small></p>

<h2>Where a request's time goes</h2>
<table>
<tr><th>stage, step<th>requests<th>refused, failed<th>pictures a batch<th>queue ms<th>in<th>compute<th>out</tr>
{% for o, steps in steps %}{% for s in steps %}<tr><td>{{ o.name }}: {{ s.name }}<td>{{ s.requests }}
<td>{{ s.failures }}
<td>{{ s.batch | number }}<td>{{ s.queue | number }}<td>{{ s.given | number }}<td>{{ s.compute | number }}
<td>{{ s.taken | number }}</tr>
{% endfor %}{% endfor %}</table>
<p><small>By Triton's own statistics, means of the step's requests; in and out is moving tensors.</small></p>

{% if report.analyzed or report.unanalyzed %}<h2>By perf_analyzer</h2>
<table>
<tr><th>model<th>in flight<th>requests/s<th>pictures/s<th>median ms<th>95 %<th>99 %<th>queue ms<th>compute
<th>network</tr>
{% for r in report.analyzed %}<tr><td>{{ r.model }}<td>{{ r.level | number if r.mode == "concurrency" else "" }}
<td>{{ r.level | number if r.mode == "rate" else "" }}<td>{{ r.pictures_per_second | number }}
<td>{{ r.p50 | number }}<td>{{ r.p95 | number }}<td>{{ r.p99 | number }}<td>{{ r.queue | number }}
<td>{{ r.compute | number }}<td>{{ r.network | number }}</tr>
{% endfor %}</table>
{% for line in report.unanalyzed %}<p class="bad">Not measured: {{ line }}</p>
{% endfor %}<p><small>Triton's own load generator, on the same server with the same pictures, after the stages above. It
asks one model at a time, and does not look at answers.</small></p>

{% endif %}<h2>What was measured</h2>
<table>
{% for name, value in report.question.items() %}<tr><td>{{ name }}<td>{{ value }}</tr>
{% endfor %}
{% for name, value in report.pictures.items() %}<tr><td>{{ name.replace("_", ", ") }}<td>{{ value | number }}</tr>
{% endfor %}
{% for name, value in report.machine.items() %}<tr><td>{{ name.replace("_", " ") }}<td>
{%- if value is mapping %}{% for k, v in value.items() %}{{ k }} {{ v }}<br>{% endfor %}
{%- elif value is string or value is number %}{{ value }}{% else %}{{ value | join(", ") or "none" }}{% endif %}</tr>
{% endfor %}</table>
</body>
</html>
"""

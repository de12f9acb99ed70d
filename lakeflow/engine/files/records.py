"""The SELECT over JSON records: typed columns, the rescued column and `_metadata`.

Built in layers like `rows`: the record, its members, their text, the cast, the proof.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from lakeflow.core.schema import STRING, Field
from lakeflow.engine.files import sql
from lakeflow.engine.files.json_files import JsonSource
from lakeflow.engine.files.json_values import CLASH, RISKY, Nested, Scalar, marked, unmarked
from lakeflow.engine.files.rows import Output, member, misfit

RECORD = Field("record", STRING)
"""What an error calls a line that is no record."""


class Records:
    """One SELECT in the making.

    Args:
        part: The records.
        conversions: How each column is read, by its name.
        partitions: SQL of the JSON text of columns that the files' paths say, by name.
        output: What to give.
    """

    def __init__(
        self,
        part: JsonSource,
        conversions: Mapping[str, Scalar | Nested],
        partitions: Mapping[str, str],
        output: Output,
    ) -> None:
        self.part = part
        self.output = output
        self.partitions = partitions
        self.data = output.data
        self.own = tuple(f for f in self.data if f.name not in partitions)
        self.conversions = [conversions[f.name] for f in self.data]
        self.path = output.path(part.positions)

    def select(self) -> str:
        """The SELECT that gives exactly the output's columns."""
        return self._outer(self._values(self._members(self._parsed())))

    def _parsed(self) -> str:
        """The record as a struct of JSON texts, and its keys; `work` is NULL where it is none."""
        ok = "starts_with(line, '{')" + ("" if self.part.valid else " AND json_valid(line)")
        clash = f"regexp_matches(line, {sql.text(CLASH)})"
        work = f"CASE WHEN NOT ({ok}) THEN NULL WHEN regexp_matches(line, {sql.text(RISKY)})"
        work += f" THEN CASE WHEN {clash} THEN NULL ELSE {marked('line')} END ELSE line END"
        # A structure has at least one name; this one is no column's, for it is no key of any file.
        structure = {f.name: "JSON" for f in self.own} or {"\ufdd0": "JSON"}
        shape = sql.text(json.dumps(structure, ensure_ascii=False))
        inner = f"SELECT line, number, position, {work} AS work FROM {self.part.source}"
        return (
            f"SELECT line, number, position, work, from_json(work, {shape}) AS record,"
            f" json_keys(work) AS keys FROM ({inner})"
        )

    def _members(self, inner: str) -> str:
        """The members of each record, and what the schema does not know of it."""
        present = " + ".join(
            ["0", *(f"(record.{sql.name(f.name)} IS NOT NULL)::INT" for f in self.own)]
        )
        # A key that occurs twice: one of its values would go, so the record counts as damaged.
        corrupt = f"CASE WHEN work IS NULL THEN TRUE WHEN len(keys) = {present} THEN FALSE"
        corrupt += " ELSE len(list_distinct(keys)) < len(keys) END"
        unusual = f"work IS NOT NULL AND len(keys) <> {present}"
        inner = f"SELECT *, {corrupt} AS corrupt, {unusual} AS unusual FROM ({inner})"
        members = []
        for n, field in enumerate(self.data):
            value = self.partitions.get(field.name) or f"record.{sql.name(field.name)}::VARCHAR"
            members.append(f"CASE WHEN NOT corrupt THEN nullif({value}, 'null') END AS j{n}")
        extra = f"CASE WHEN unusual AND NOT corrupt THEN {self._extra()} END::VARCHAR AS extra"
        kept = ["line", "number", "position", "corrupt"]
        return f"SELECT {', '.join([*members, extra, *kept])} FROM ({inner})"

    def _extra(self) -> str:
        if not self.output.rescued:
            return "NULL"
        known = ", ".join(sql.text(f.name) for f in self.own) or "NULL"
        known = f"({known})" if self.own else "('')"
        unknown = f"len(list_filter(keys, lambda k: k NOT IN {known})) > 0"
        entries = "map_entries(from_json(work, '\"MAP(VARCHAR,JSON)\"'))"
        new = f"list_filter({entries}, lambda e: e.value IS NOT NULL AND e.key NOT IN {known})"
        one = f"to_json(e.key)::VARCHAR || ':' || {unmarked('e.value::VARCHAR')}"
        members = f"nullif(array_to_string(list_transform({new}, lambda e: {one}), ','), '')"
        return f"CASE WHEN {unknown} THEN {members} END"

    def _values(self, inner: str) -> str:
        kept = ["line", "number", "position", "corrupt", "extra"]
        js = [f"j{n}" for n in range(len(self.data))]
        scalars = {n: c for n, c in enumerate(self.conversions) if isinstance(c, Scalar)}
        texts = [f"{c.text(f'j{n}')} AS p{n}" for n, c in scalars.items()]
        inner = f"SELECT {', '.join([*kept, *js, *texts])} FROM ({inner})"
        ps = [f"p{n}" for n in scalars]
        casts = [
            f"{c.conversion.cast.format(x=f'p{n}')} AS t{n}"
            for n, c in scalars.items()
            if c.conversion
        ]
        pairs = [
            f"{part.pair(f'j{n}', 0)} AS q{n}"
            for n, part in enumerate(self.conversions)
            if isinstance(part, Nested)
        ]
        inner = f"SELECT {', '.join([*kept, *js, *ps, *casts, *pairs])} FROM ({inner})"
        values = []
        for n, part in enumerate(self.conversions):
            if isinstance(part, Nested):
                values.append(f"q{n}.v AS v{n}, q{n}.l AS m{n}")
            elif part.conversion:
                values.append(f"{part.conversion.value.format(x=f'p{n}', t=f't{n}')} AS v{n}")
            else:
                values.append(f"p{n} AS v{n}")
        return f"SELECT {', '.join([*kept, *js, *values])} FROM ({inner})"

    def _outer(self, inner: str) -> str:
        output = self.output
        misfits = {n: self._misfit(n) for n in range(len(self.data))}
        malformed = " OR ".join(["corrupt", *(m for m in misfits.values() if m)])
        columns = {f.name.lower(): self._column(n, f, misfits[n]) for n, f in enumerate(self.data)}
        if output.corrupt:
            columns[output.corrupt.lower()] = f"CASE WHEN {malformed} THEN line END"
        rescued = self._rescued(misfits, malformed)
        where = ""
        if output.options.mode == "DROPMALFORMED":
            where = f" WHERE NOT ({'corrupt' if output.rescued else malformed})"
        elif output.refuses or output.options.mode == "FAILFAST":
            error = misfit(RECORD, "line", self.path, "number")
            where = f" WHERE CASE WHEN corrupt THEN CAST({error} AS BOOLEAN) ELSE TRUE END"
        return output.finish(columns, rescued, inner, self.part.positions) + where

    def _misfit(self, n: int) -> str:
        part = self.conversions[n]
        if isinstance(part, Nested):
            return f"m{n}"
        return f"(v{n} IS NULL AND j{n} IS NOT NULL)" if part.conversion else ""

    def _column(self, n: int, field: Field, lost: str) -> str:
        if not self.output.refuses or not lost:
            return f"v{n}"
        error = misfit(field, unmarked(f"j{n}"), self.path, "number")
        return f"CASE WHEN {lost} THEN CAST({error} AS {sql.type_name(field.type)}) ELSE v{n} END"

    def _rescued(self, misfits: dict[int, str], malformed: str) -> str:
        path = member("_file_path", self.path)
        members = [
            f"CASE WHEN {m} THEN {sql.text(json.dumps(self.data[n].name, ensure_ascii=False))}"
            f" || ':' || {unmarked(f'j{n}')} END"
            for n, m in misfits.items()
            if m
        ]
        whole = f"'{{' || {member('_corrupt_record', 'line')} || ',' || {path} || '}}'"
        parts = f"'{{' || concat_ws(',', {', '.join([*members, 'extra', path])}) || '}}'"
        return (
            f"CASE WHEN corrupt THEN {whole} WHEN {malformed} OR extra IS NOT NULL THEN {parts} END"
        )

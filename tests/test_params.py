from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

import pytest

from engine.errors import Err, EseError, UsageError
from engine.param_fields import Field, ParameterFields
from engine.param_table import _TABLE, PARAMETERS, Kind, ParameterRow, Scope, Treatment, When
from engine.params import (
    EFV_ALLOW_HIGHER_PERSISTED,
    EFV_ENGINE_DEFAULT,
    EFV_PERSISTED,
    PROCESS,
    Param,
    Parameters,
    SharedParameters,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROWS = sorted(PARAMETERS.values())
NUMBERS = (Kind.INTEGER, Kind.BOOLEAN, Kind.BITS, Kind.BLOCK_SIZE)
TEXTS = (Kind.STRING, Kind.FOLDER, Kind.PATH)
SETTABLE = [row for row in ROWS if row.when is not When.NEVER and row.treatment is not Treatment.OUTSIDE]
RANGED = [row for row in SETTABLE if row.kind in NUMBERS]
KEPT = [row for row in SETTABLE if row.treatment not in (Treatment.IGNORED, Treatment.REFUSED)]


def named(row: ParameterRow) -> str:
    return row.name


@pytest.fixture
def params() -> Parameters:
    return Parameters(shared=SharedParameters())


@pytest.fixture(autouse=True)
def untouched_process() -> Iterator[None]:
    yield
    assert PROCESS.values == {}
    assert PROCESS.claims == 0


def fails(params: Parameters, key: Param | int | str, value: Any) -> EseError:
    with pytest.raises(UsageError) as error:
        params[key] = value
    return error.value


def other_value(row: ParameterRow, tmp_path: Path) -> Any:
    """Return a valid value that is not the default."""
    if row.kind in TEXTS:
        special = {"BaseName": "XYZ", "Recovery": "off"}
        return special.get(row.name, str(tmp_path) if row.kind is not Kind.STRING else "word")
    if row.kind is Kind.CALLBACK:
        return len
    if row.kind is Kind.BOOLEAN:
        return not row.default
    if row.kind is Kind.BLOCK_SIZE:
        return row.high if row.default != row.high else row.low
    special_numbers = {"StartFlushThreshold": 5, "StopFlushThreshold": 50_000_000, "CacheSizeMin": 7}
    if row.name in special_numbers:
        return special_numbers[row.name]
    if row.name == "EngineFormatVersion":
        return EFV_PERSISTED
    return row.low if row.low != row.default else row.low + 1


class TestTable:
    def test_every_line_was_understood(self) -> None:
        lines = _TABLE.strip().splitlines()
        assert len(PARAMETERS) == len(lines) // 2 == 109
        assert {row.id for row in ROWS} == {int(param) for param in Param}

    def test_defaults_of_note(self, params: Parameters) -> None:
        expected = {
            "BaseName": "edb",
            "EventSource": "",
            "MaxSessions": 16,
            "MaxVerPages": 64,
            "LogFileSize": 5120,
            "LogBuffers": 126,
            "CircularLog": False,
            "CheckpointDepthMax": 20971520,
            "OutstandingIOMax": 1024,
            "Recovery": "on",
            "NoInformationEvent": False,
            "EventLoggingLevel": 100,
            "DatabasePageSize": 4096,
            "BackupChunkSize": 16,
            "CreatePathIfNotExist": False,
            "MaxDatabasesPerInstance": 7,
            "MaxInstances": 16,
            "EnableAdvanced": True,
            "LegacyFileNames": 3,
            "CheckpointTooDeep": 65536,
            "ExceptionAction": 2,
            "PersistedLostFlushDetection": 5,
            "EngineFormatVersion": EFV_ENGINE_DEFAULT,
            "UseFlushForWriteDurability": True,
        }
        assert {name: params[name] for name in expected} == expected

    @pytest.mark.parametrize("row", ROWS, ids=named)
    def test_without_full_effect_there_is_a_reason(self, row: ParameterRow) -> None:
        explained = (Treatment.HOLDS, Treatment.TUNING, Treatment.REFUSED, Treatment.OUTSIDE)
        assert bool(row.reason) == (row.treatment in explained)
        assert row.meaning


class TestEveryParameter:
    @pytest.mark.parametrize("row", ROWS, ids=named)
    def test_default_reads(self, params: Parameters, row: ParameterRow) -> None:
        if row.treatment is Treatment.OUTSIDE:
            with pytest.raises(UsageError) as error:
                params[row.id]
            assert error.value.code == Err.FeatureNotAvailable
            assert row.name in str(error.value)
        elif row.kind is Kind.FOLDER and row.default:
            assert params[row.id] == os.getcwd() + os.sep  # noqa: PTH109
        elif row.kind is Kind.PATH:
            assert params[row.id] == os.path.join(os.getcwd(), str(row.default))  # noqa: PTH109, PTH118
        elif row.id not in (Param.ErrorToString, Param.KeyMost, Param.LVChunkSizeMost, Param.RecordSizeMost):
            assert params[row.id] == row.default

    @pytest.mark.parametrize("row", ROWS, ids=named)
    def test_setting_another_value_has_effect_or_an_answer(
        self, params: Parameters, row: ParameterRow, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "ese.params")
        if row.when is When.NEVER:
            error = fails(params, row.id, 1)
            assert (error.code, row.name in str(error)) == (Err.InvalidParameter, True)
        elif row.treatment is Treatment.OUTSIDE:
            error = fails(params, row.id, 1)
            assert (error.code, row.name in str(error)) == (Err.FeatureNotAvailable, True)
        elif row.treatment is Treatment.REFUSED:
            error = fails(params, row.id, other_value(row, tmp_path))
            assert error.code == Err.FeatureNotAvailable
            assert row.name in str(error)
            assert row.reason in str(error)
            params[row.id] = row.default  # no change, no complaint
        elif row.treatment is Treatment.IGNORED:
            params[row.id] = row.high if row.kind is not Kind.ANYTHING else 5
            assert params[row.id] == row.default
            assert f"{row.name} has no effect" in caplog.text
        else:
            value = other_value(row, tmp_path)
            params[row.id] = value
            shown = value + os.sep if row.kind is Kind.FOLDER else value
            assert params[row.id] == shown != row.default
            assert (f"{row.name} has no effect" in caplog.text) == (row.treatment is Treatment.TUNING)
            params.reset(row.id)
            assert params[row.id] == Parameters(shared=SharedParameters())[row.id]

    @pytest.mark.parametrize("row", RANGED, ids=named)
    def test_bounds(self, params: Parameters, row: ParameterRow) -> None:
        for bad in (row.low - 1, row.high + 1):
            error = fails(params, row.id, bad)
            assert (error.code, row.name in str(error)) == (Err.InvalidParameter, True)
        partly = {"StartFlushThreshold", "StopFlushThreshold", "EngineFormatVersion"}
        partly |= {"PersistedLostFlushDetection", "CommitDefault"}
        if row in KEPT and row.name not in partly:
            if row.name == "CacheSizeMin":
                params.cache_size_max = row.high
            for good in (row.low, row.high):
                params[row.id] = good
                assert params[row.id] == good

    def test_only_lazy_flush_can_be_the_default_of_commits(self, params: Parameters) -> None:
        params.commit_default = 1
        assert params.commit_default == 1
        for value in (2, 3, 8):
            error = fails(params, Param.CommitDefault, value)
            assert (error.code, "CommitDefault" in str(error)) == (Err.FeatureNotAvailable, True)

    @pytest.mark.parametrize("value", range(8))
    def test_lost_flush_detection_makes_no_new_maps(self, params: Parameters, value: int) -> None:
        if value & 2:
            error = fails(params, Param.PersistedLostFlushDetection, value)
            assert (error.code, "PersistedLostFlushDetection" in str(error)) == (Err.FeatureNotAvailable, True)
        else:
            params.persisted_lost_flush_detection = value
            assert params.persisted_lost_flush_detection == value

    @pytest.mark.parametrize("row", RANGED, ids=named)
    @pytest.mark.parametrize("bad", ["1", 1.0, None, b"1", [1]], ids=repr)
    def test_numbers_only(self, params: Parameters, row: ParameterRow, bad: object) -> None:
        assert fails(params, row.id, bad).code == Err.InvalidParameter

    @pytest.mark.parametrize("row", [row for row in SETTABLE if row.kind in TEXTS], ids=named)
    def test_text_lengths_and_types(self, params: Parameters, row: ParameterRow) -> None:
        for bad in ("x" * (row.high + 1), 5, None, b"abc", "a\0b"):
            error = fails(params, row.id, bad)
            assert (error.code, row.name in str(error)) == (Err.InvalidParameter, True)
        if row.low:
            assert fails(params, row.id, "x" * (row.low - 1)).code == Err.InvalidParameter

    @pytest.mark.parametrize("row", SETTABLE, ids=named)
    def test_freezing(self, params: Parameters, row: ParameterRow, tmp_path: Path) -> None:
        if row.treatment is Treatment.IGNORED:
            params.freeze()
            params[row.id] = row.default
            return
        value = other_value(row, tmp_path)
        if row in KEPT:
            params[row.id] = value
        before = params[row.id]
        params.freeze()
        assert params.is_frozen(row.id) == (row.when is When.BEFORE_INIT)
        params[row.id] = value if row in KEPT else row.default  # the present value is accepted
        different = row.default if row in KEPT else value
        if row.when is When.BEFORE_INIT:
            error = fails(params, row.id, different)
            assert (error.code, row.name in str(error)) == (Err.AlreadyInitialized, True)
            assert params[row.id] == before
            params.unfreeze()
        if row in KEPT:
            params[row.id] = different
            assert params[row.id] != before

    @pytest.mark.parametrize("row", SETTABLE, ids=named)
    def test_advanced_ones_do_nothing_when_hidden(
        self, params: Parameters, row: ParameterRow, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "ese.params")
        params.enable_advanced = False
        before = params[row.id]
        if row.advanced:
            params[row.id] = other_value(row, tmp_path)
            params[row.id] = -5  # not even looked at
            assert params[row.id] == before
            assert f"{row.name} not set" in caplog.text
        elif row in KEPT and row.id != Param.EnableAdvanced:
            params[row.id] = other_value(row, tmp_path)
            assert params[row.id] != before

    @pytest.mark.parametrize("row", SETTABLE, ids=named)
    def test_scope(self, row: ParameterRow, tmp_path: Path) -> None:
        shared = SharedParameters()
        one, two = Parameters(shared=shared), Parameters(shared=shared)
        if row in KEPT:
            one[row.id] = other_value(row, tmp_path)
            assert (two[row.id] == one[row.id]) == (row.scope is Scope.PROCESS)
        assert Parameters(shared=SharedParameters())[row.id] == Parameters(shared=SharedParameters())[row.id]


class TestNames:
    @pytest.mark.parametrize("key", ["CircularLog", "CIRCULAR_LOG", "circular_log", "JET_paramCircularLog", 17])
    def test_spellings(self, params: Parameters, key: str | int) -> None:
        params[key] = True
        assert params[Param.CircularLog] is True
        assert params.circular_log is True
        assert key in params

    @pytest.mark.parametrize("key", ["Nope", "", 7, 9999, -1])
    def test_unknown(self, params: Parameters, key: str | int) -> None:
        assert fails(params, key, 1).code == Err.InvalidParameter
        with pytest.raises(UsageError) as error:
            params[key]
        assert error.value.code == Err.InvalidParameter
        assert key not in params

    def test_both_spellings_are_one_member(self) -> None:
        assert Param["CIRCULAR_LOG"] is Param["CircularLog"] is Param(17)
        assert Param.LV_CHUNK_SIZE_MOST.name == "LV_CHUNK_SIZE_MOST"
        for param in Param:
            assert Param[PARAMETERS[param].name] is param
            assert param.name.replace("_", "").lower() == PARAMETERS[param].name.lower()

    def test_every_readable_parameter_has_an_attribute(self, params: Parameters) -> None:
        fields = {field.param: name for name, field in vars(ParameterFields).items() if isinstance(field, Field)}
        readable = {param for param in params if PARAMETERS[param].kind is not Kind.ANYTHING}
        assert set(fields) == readable
        for param, name in fields.items():
            assert getattr(params, name) == params[param]
            assert name == param.name.lower()

    def test_mapping(self, params: Parameters) -> None:
        assert len(params) == len(list(params)) == len(dict(params))
        assert Param.EnableRBS not in params
        assert "EnableRBS" not in params
        assert 3.5 not in params
        assert params.get(Param.CircularLog) is False
        params.set_all({"CircularLog": 1, Param.LogFileSize: 64})
        assert repr(params) == "Parameters({'CIRCULAR_LOG': True, 'LOG_FILE_SIZE': 64})"


class TestPaths:
    def test_folders_are_absolute_with_a_delimiter(
        self, params: Parameters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        params.system_path = "a/../b"
        params.log_file_path = f"{tmp_path}/c/"
        params[Param.TempPath] = tmp_path / "t.edb"
        monkeypatch.chdir("/")
        assert params.system_path == f"{tmp_path}/b/"
        assert params.log_file_path == f"{tmp_path}/c/"
        assert params.temp_path == f"{tmp_path}/t.edb"

    def test_default_folder_is_the_working_directory(
        self, params: Parameters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert params.system_path == f"{tmp_path}/"
        assert params.temp_path == str(tmp_path / "tmp.edb")
        params.system_path = "."
        monkeypatch.chdir("/")
        assert params.log_file_path == "/"

    def test_the_whole_path_counts(self, params: Parameters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        error = fails(params, Param.SystemPath, "x" * 120 + "/" + "y" * 120)
        assert (error.code, "SystemPath" in str(error)) == (Err.InvalidParameter, True)
        params.system_path = "/" + "x" * 120 + "/" + "y" * 120

    @pytest.mark.parametrize("bad", ["a/b", "a\\b", "a:b", "a b", "a.b", "a\nb", "ä\u00f6ü", "a*b"])
    def test_base_name_fits_a_file_name(self, params: Parameters, bad: str) -> None:
        assert fails(params, Param.BaseName, bad).code == Err.InvalidParameter

    def test_base_name(self, params: Parameters) -> None:
        params.base_name = "SRU"
        assert params.base_name == "SRU"


class TestRules:
    def test_recovery(self, params: Parameters) -> None:
        found = []
        for value in ("on", "OFF", "On", "off"):
            params.recovery = value
            found.append(params.logging_enabled)
        assert found == [True, False, True, False]
        error = fails(params, Param.Recovery, "repair")
        assert (error.code, "Recovery" in str(error)) == (Err.FeatureNotAvailable, True)
        assert fails(params, Param.Recovery, "maybe").code == Err.InvalidParameter

    def test_page_sizes(self, params: Parameters) -> None:
        for size, key, chunk, record in (
            (4096, 1000, 4014, 3791),
            (8192, 2000, 8110, 7887),
            (16384, 2000, 4050, 16288),
            (32768, 2000, 8150, 32672),
        ):
            params.database_page_size = size
            assert (params.key_most, params.lv_chunk_size_most, params.record_size_most) == (key, chunk, record)
        for bad in (2048, 4095, 5000, 12288, 65536):
            assert fails(params, Param.DatabasePageSize, bad).code == Err.InvalidParameter

    def test_pairs_keep_their_order(self, params: Parameters) -> None:
        params.cache_size_max = 100
        params.cache_size_min = 100
        assert fails(params, Param.CacheSizeMin, 101).code == Err.InvalidParameter
        assert fails(params, Param.CacheSizeMax, 99).code == Err.InvalidParameter
        params.stop_flush_threshold = 20_000_001
        assert fails(params, Param.StopFlushThreshold, 20_000_000).code == Err.InvalidParameter
        assert fails(params, Param.StartFlushThreshold, 20_000_001).code == Err.InvalidParameter
        params.start_flush_threshold = 0

    def test_format_versions(self, params: Parameters) -> None:
        for good in (EFV_PERSISTED, EFV_ENGINE_DEFAULT, 8920, 9060, 8920 | EFV_ALLOW_HIGHER_PERSISTED):
            params.engine_format_version = good
            assert params.engine_format_version == good
        assert fails(params, Param.EngineFormatVersion, 100).code == Err.EngineFormatVersionNoLongerSupportedTooLow
        assert fails(params, Param.EngineFormatVersion, 99999).code == Err.EngineFormatVersionNotYetImplementedTooHigh

    def test_log_file_bytes(self, params: Parameters) -> None:
        params.log_file_size = 64
        assert params.log_file_bytes == 65536

    def test_engine_records_what_nobody_may_set(self, params: Parameters) -> None:
        params.freeze()
        params.record(Param.RecoveryCurrentLogfile, 0x1F)
        assert params.recovery_current_logfile == 0x1F
        assert params["ErrorToString"] == "JET_errSuccess,success"

    def test_setting_several_heeds_enable_advanced_first(self) -> None:
        params = Parameters({"MaxSessions": 5, "EnableAdvanced": False}, shared=SharedParameters())
        assert params.max_sessions == 16

    def test_setting_several_stops_at_the_first_error(self, params: Parameters) -> None:
        with pytest.raises(UsageError):
            params.set_all({"CircularLog": True, "LogFileSize": 1, "EventLoggingLevel": 1})
        assert (params.circular_log, params.event_logging_level) == (True, 100)


class TestLife:
    def test_process_wide_ones_freeze_while_any_instance_exists(self) -> None:
        shared = SharedParameters()
        one, two = Parameters(shared=shared), Parameters(shared=shared)
        one.database_page_size = 8192
        one.claim()
        one.claim()
        assert fails(two, Param.DatabasePageSize, 4096).code == Err.AlreadyInitialized
        assert fails(one, Param.DatabasePageSize, 4096).code == Err.AlreadyInitialized
        one.circular_log = True  # exists, but does not run yet
        two.freeze()
        one.unfreeze()
        assert fails(one, Param.DatabasePageSize, 4096).code == Err.AlreadyInitialized
        two.unfreeze()
        two.unfreeze()
        assert shared.claims == 0
        one.database_page_size = 4096

    def test_an_own_store_leaves_others_alone(self) -> None:
        one, two = Parameters(shared=SharedParameters()), Parameters(shared=SharedParameters())
        one.database_page_size = 32768
        one.freeze()
        two.database_page_size = 8192
        assert (one.database_page_size, two.database_page_size) == (32768, 8192)

    def test_template_gives_starting_values(self) -> None:
        shared = SharedParameters()
        template = Parameters({"CircularLog": True}, shared=shared)
        made = Parameters({"LogFileSize": 64}, shared=shared, template=template)
        made.circular_log = False
        assert (made.log_file_size, template.circular_log, template.log_file_size) == (64, True, 5120)

    def test_process_is_the_default_store(self) -> None:
        params = Parameters()
        params.max_instances = 3
        try:
            assert Parameters().max_instances == 3
        finally:
            PROCESS.values.clear()


class TestDescribe:
    def test_tells_of_every_parameter(self, params: Parameters) -> None:
        params.cache_size_max = 5
        found = {info.param: info for info in params.describe()}
        assert list(found) == sorted(Param)
        cache = found[Param.CacheSizeMax]
        assert (cache.value, cache.default, cache.honoured, cache.process_wide, cache.advanced) == (
            5,
            2000000000,
            True,
            True,
            True,
        )
        assert not cache.reason
        assert found[Param.StartFlushThreshold].reason == "pages are written when they are due"
        assert found[Param.CircularLog].honoured
        assert found[Param.CommitDefault].honoured
        assert not found[Param.EnableRBS].settable
        assert found[Param.EnableRBS].value is None
        assert not found[Param.KeyMost].settable
        assert found[Param.KeyMost].value == 1000
        params.freeze()
        assert {info.param for info in params.describe() if info.frozen} == {
            Param(row.id) for row in ROWS if row.when is When.BEFORE_INIT
        }

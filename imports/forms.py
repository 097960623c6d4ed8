"""The forms of import files: which columns each kind of file has. A new column is one line here."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from devices.device import Service
from imports.cells import (
    CellError,
    degrees_parser,
    parse_date,
    parse_flag,
    parse_identifier,
    parse_kind,
    parse_media,
    parse_phone,
    parse_place,
    parse_serial,
    parse_service,
    parse_stage,
    parse_text,
    parse_year,
    quoted,
)
from imports.damage import find_loss, half_width, means_nothing, unwrap
from store.registry.upsert import CellValue

IGNORED_HEADERS = frozenset({"序号", "备注", "说明"})
"""Headers of columns that people add for themselves, and that an import leaves unread."""

_CODES = frozenset({parse_identifier, parse_place, parse_serial})
_DECORATION = re.compile(r"[\s*]|[（(][^）)]*[）)]")


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name in the header and in the table, its Chinese headers, and the parser of its cells.

    The first Chinese header is the one of the guides. A required column must be present and has no empty cells. In any
    other column an empty cell has the value `empty`.
    """

    name: str
    zh: tuple[str, ...]
    parse: Callable[[str], CellValue]
    required: bool = False
    empty: CellValue = None
    stored: str = ""

    @property
    def is_code(self) -> bool:
        """Whether the cells are codes, with one spelling each."""
        return self.parse in _CODES

    def value(self, cell: str) -> CellValue:
        """Return the value of a cell.

        Raises:
            CellError: the cell cannot be used.
        """
        text = unwrap(cell)
        if text and not means_nothing(text):
            if loss := find_loss(text):
                raise CellError(f"{quoted(text)} {loss}")
            return self.parse(text)
        if self.required:
            raise CellError("不能为空")
        return self.empty


@dataclass(frozen=True)
class Form:
    """The columns of a kind of import file; the columns of `key` identify a line."""

    name: str
    zh: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    @cached_property
    def _by_header(self) -> dict[str, Column]:
        return {header: column for column in self.columns for header in (column.name, *column.zh)}

    @property
    def headers(self) -> tuple[str, ...]:
        """Every header of the form, English and Chinese."""
        return tuple(self._by_header)

    def column(self, header: str) -> Column | None:
        """Return the column of a header, or None; stars, blanks and remarks in brackets (必填) do not count."""
        return self._by_header.get(header) or self._by_header.get(_DECORATION.sub("", half_width(header)))


_COMMUNITY = Column("community", ("小区编号", "小区", "小区代码"), parse_identifier, required=True)
_BUILDING = ("楼号", "楼栋", "楼", "栋", "幢", "楼幢", "栋号", "幢号", "楼栋号", "楼幢号", "座")
_UNIT = ("单元", "单元号")
_ROOM = ("房号", "室号", "房间号", "门牌号", "户号", "房间", "门牌", "室")

COMMUNITIES = Form(
    "communities",
    "小区",
    (
        Column("community", ("小区编号", "编号", "小区代码"), parse_identifier, required=True, stored="id"),
        Column("name", ("小区名称", "小区", "名称", "小区名"), parse_text, required=True),
        Column("banner", ("旗区", "旗县区", "区县", "所属旗区"), parse_text, required=True),
        Column("street", ("街道", "镇街", "所属街道", "街道办事处"), parse_text, required=True),
        Column("property_company", ("物业公司", "物业", "物业企业", "物业服务企业"), parse_text),
        Column("built_year", ("建成年份", "建成年代", "建设年份"), parse_year),
        Column("subsidised", ("是否补助", "补助", "有无补助", "是否有补助资金"), parse_flag),
        Column("stage", ("阶段", "改造阶段", "项目阶段"), parse_stage),
        Column("started_on", ("开工日期", "开工时间"), parse_date),
        Column("planned_finish", ("计划完工日期", "计划竣工日期", "计划完工时间", "计划竣工时间"), parse_date),
        Column("latitude", ("纬度",), degrees_parser(90)),
        Column("longitude", ("经度",), degrees_parser(180)),
    ),
    key=("community",),
)

HOUSEHOLDS = Form(
    "households",
    "住户",
    (
        _COMMUNITY,
        Column("building", _BUILDING, parse_place, required=True),
        Column("unit", _UNIT, parse_place, required=True),
        Column("room", _ROOM, parse_place, required=True),
        Column("exempt", ("豁免", "不用装表"), parse_media, empty=""),
    ),
    key=("community", "building", "unit", "room"),
)

DEVICES = Form(
    "devices",
    "设备",
    (
        _COMMUNITY,
        Column("device", ("设备编号", "设备号", "设备代码", "编号"), parse_identifier, required=True, stored="name"),
        Column("kind", ("设备类型", "类型", "种类"), parse_kind, required=True),
        Column("building", _BUILDING, parse_place, empty=""),
        Column("unit", _UNIT, parse_place, empty=""),
        Column("room", _ROOM, parse_place, empty=""),
        Column("location", ("位置", "安装位置", "安装地点"), parse_text, empty=""),
        Column("gateway", ("网关", "网关编号", "所属网关", "上级网关", "采集器", "集中器"), parse_identifier),
        Column("plan_item", ("改造内容", "改造内容编号", "改造项目"), parse_text),
        Column("serial", ("出厂编号", "出厂号", "序列号", "表号"), parse_serial),
        Column("installed_on", ("安装日期", "安装时间"), parse_date),
        Column("simulated", ("是否模拟", "模拟", "模拟设备"), parse_flag, empty=False),
        Column("service", ("状态", "设备状态", "使用状态"), parse_service, empty=Service.IN_SERVICE.value),
    ),
    key=("community", "device"),
)

CONTACTS = Form(
    "contacts",
    "联系人",
    (
        _COMMUNITY,
        Column("building", _BUILDING, parse_place, empty=""),
        Column("unit", _UNIT, parse_place, empty=""),
        Column("room", _ROOM, parse_place, empty=""),
        Column("company", ("单位", "维修单位", "公司", "厂家"), parse_text, empty=""),
        Column("kind", ("设备类型", "类型"), parse_kind, empty=""),
        Column("name", ("姓名", "联系人", "户主"), parse_text, required=True),
        Column("role", ("身份", "职务", "角色", "关系"), parse_text, empty=""),
        Column("phone", ("电话", "手机", "手机号", "联系电话", "电话号码"), parse_phone, required=True),
    ),
    key=("community", "building", "unit", "room", "company", "kind", "name"),
)

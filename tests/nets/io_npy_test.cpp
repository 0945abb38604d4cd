// .npy: literal files, orders, conversions, damage.
#include "io_support.hpp"
#include "nets/io/npy.hpp"

namespace guardbit::nets {
namespace {

Bytes npy(std::string header, const Bytes& data, int major = 1) {
  Bytes bytes = to_bytes("\x93NUMPY");
  bytes.push_back(static_cast<std::uint8_t>(major));
  bytes.push_back(0);
  for (int i = 0; i < (major == 1 ? 2 : 4); ++i) bytes.push_back(static_cast<std::uint8_t>(header.size() >> (8 * i)));
  bytes.insert(bytes.end(), header.begin(), header.end());
  bytes.insert(bytes.end(), data.begin(), data.end());
  return bytes;
}

std::string npy_error(const std::string& header, const Bytes& data = {}) {
  return error_of([&] { parse_npy(npy(header, data), "x.npy"); });
}

TEST(Npy, WritesTheBytesNumpyWrites) {
  const Array array = Array::from<std::int16_t>({3}, std::vector<std::int16_t>{1, -2, 300});
  std::string header = "{'descr': '<i2', 'fortran_order': False, 'shape': (3,), }";
  header.resize(117, ' ');
  EXPECT_EQ(npy_bytes(array), npy(header + "\n", from_hex("0100feff2c01")));
  EXPECT_EQ(npy_bytes(array).size() % 64, 6u);
}

TEST(Npy, ReadsBackEveryType) {
  for (const DType dtype : {DType::Bool, DType::I8, DType::U8, DType::I16, DType::U16, DType::I32, DType::U32,
                            DType::I64, DType::U64, DType::F16, DType::F32, DType::F64}) {
    for (const auto& shape : std::vector<std::vector<std::int64_t>>{{}, {0}, {5}, {2, 3}, {2, 0, 4}, {1, 2, 3, 4}}) {
      Array array = Array::zeros(shape, dtype);
      for (std::size_t i = 0; i < array.bytes.size(); ++i)
        array.bytes[i] = static_cast<std::uint8_t>(dtype == DType::Bool ? i & 1 : i);
      EXPECT_EQ(parse_npy(npy_bytes(array), "x"), array) << name_of(dtype) << array.shape_text();
    }
  }
}

TEST(Npy, FortranOrderBecomesCOrder) {
  // numpy: asfortranarray([[1, 2, 3], [4, 5, 6]]) is stored column by column.
  const Array array =
      parse_npy(npy("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }", from_hex("010402050306")), "x");
  EXPECT_EQ(array.bytes, from_hex("010203040506"));
  const Array deep =
      parse_npy(npy("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 1, 2)}", from_hex("01030204")), "x");
  EXPECT_EQ(deep.bytes, from_hex("01020304"));
}

TEST(Npy, ReadsVersions2And3AndOtherKeyOrders) {
  const Array array = parse_npy(
      npy("{\"shape\": (2,), 'descr': '<i4', 'fortran_order': False}\n", from_hex("01000000ffffffff"), 2), "x");
  EXPECT_EQ(array.as<std::int32_t>("x"), (std::vector<std::int32_t>{1, -1}));
  EXPECT_EQ(
      parse_npy(npy("{'descr': '<f4', 'fortran_order': False, 'shape': ()}", from_hex("0000803f"), 3), "x").to_float(),
      (std::vector<float>{1.0f}));
}

TEST(Npy, MistakesSayWhatIsAllowed) {
  EXPECT_EQ(npy_error("{'descr': '>i4', 'fortran_order': False, 'shape': (1,)}", Bytes(4)),
            "x.npy: npy header: found descr '>i4', allowed little-endian b1, i1 to i8, u1 to u8, f2, f4, f8");
  EXPECT_EQ(npy_error("{'descr': '<i4', 'fortran_order': False, 'shape': (2,)}", Bytes(4)),
            "x.npy: found 4 bytes of data, allowed 8");
  EXPECT_EQ(npy_error("{'descr': '<i4', 'fortran_order': False, 'shape': (1,)}", Bytes(5)),
            "x.npy: found 5 bytes of data, allowed 4");
  EXPECT_EQ(npy_error("{'descr': '<i4', 'descr': '<i4', 'fortran_order': False, 'shape': (1,)}", Bytes(4)),
            "x.npy: npy header: found key 'descr', allowed descr, fortran_order and shape, once each");
  EXPECT_EQ(npy_error("{'descr': '<i4', 'shape': (1,)}", Bytes(4)),
            "x.npy: npy header: found a header without descr, fortran_order or shape");
  EXPECT_EQ(npy_error("{'descr': '|b1', 'fortran_order': False, 'shape': (1,)}", {2}),
            "x.npy: found a boolean that is neither 0 nor 1");
  EXPECT_EQ(error_of([] { parse_npy(to_bytes("hello, world"), "x.npy"); }),
            "x.npy: found data that is not an .npy file");
}

TEST(Npy, HeadersAreReadToTheirLastCharacter) {
  const std::string good = "{'descr': '<i2', 'fortran_order': False, 'shape': (1,)}";
  EXPECT_EQ(npy_error(good, Bytes(2)), "no error");
  EXPECT_EQ(npy_error(good + " x", Bytes(2)), "x.npy: npy header: found text after the header");
  EXPECT_EQ(npy_error("{'descr': '|i2', 'fortran_order': False, 'shape': (1,)}", Bytes(2)),
            "x.npy: npy header: found descr '|i2', allowed little-endian b1, i1 to i8, u1 to u8, f2, f4, f8");
  EXPECT_EQ(npy_error("{'descr': '=i2', 'fortran_order': False, 'shape': (1,)}", Bytes(2)),
            "x.npy: npy header: found descr '=i2', allowed little-endian b1, i1 to i8, u1 to u8, f2, f4, f8");
  EXPECT_EQ(npy_error("{'descr': '<i2', 'fortran_order': Falsy, 'shape': (1,)}", Bytes(2)),
            "x.npy: npy header: found fortran_order that is neither True nor False");
  Bytes minor = npy(good, Bytes(2));
  minor[7] = 1;
  EXPECT_EQ(error_of([&] { parse_npy(minor, "x"); }), "x: found npy version 1.1, allowed 1.0 to 3.0");
  EXPECT_EQ(error_of([&] { parse_npy(npy(good, Bytes(2), 4), "x"); }),
            "x: found npy version 4.0, allowed 1.0 to 3.0");
}

TEST(Npy, HeadersHaveLimits) {
  std::string ones = "1";
  for (int i = 1; i < 64; ++i) ones += ", 1";
  const std::string head = "{'descr': '|u1', 'fortran_order': False, 'shape': (";
  EXPECT_EQ(npy_error(head + ones + ")}", Bytes(1)), "no error");
  EXPECT_EQ(npy_error(head + ones + ", 1)}", Bytes(1)), "x.npy: npy header: found more than 64 dimensions");
  const std::string wide = head + "1,)}" + std::string(65536 - head.size() - 4, ' ');
  EXPECT_EQ(error_of([&] { parse_npy(npy(wide, Bytes(1), 2), "x"); }), "no error");
  EXPECT_EQ(error_of([&] { parse_npy(npy(wide + ' ', Bytes(1), 2), "x"); }),
            "x: found a header of 65537 bytes, allowed 65536");
  // Just below and just above what a dimension may be.
  EXPECT_EQ(npy_error(head + "9223372036854775799, 0)}"), "no error");
  EXPECT_EQ(npy_error(head + "9223372036854775810, 0)}"), "x.npy: npy header: found a dimension beyond 64 bits");
}

TEST(Npy, HugeShapesAreRefusedBeforeMemoryIsTaken) {
  EXPECT_EQ(npy_error("{'descr': '<i8', 'fortran_order': False, 'shape': (4611686018427387904, 4)}"),
            "x.npy: shape: found [4611686018427387904, 4], which is beyond memory");
  EXPECT_EQ(npy_error("{'descr': '<i8', 'fortran_order': True, 'shape': (1000000000000,)}"),
            "x.npy: found 0 bytes of data, allowed 8000000000000");
  EXPECT_EQ(npy_error("{'descr': '<i8', 'fortran_order': False, 'shape': (99999999999999999999,)}"),
            "x.npy: npy header: found a dimension beyond 64 bits");
}

TEST(Npy, DamagedFilesAreRefusedOrRead) {
  const Bytes good = npy_bytes(Array::from<std::int16_t>({2, 2}, std::vector<std::int16_t>{1, -2, 300, 4}));
  EXPECT_GT(damage(good, [](ByteView bytes) { parse_npy(bytes, "x"); }), 200);
}

TEST(Array, IntegersWidenExactly) {
  EXPECT_EQ((Array{{2}, DType::I8, from_hex("80ff")}.to_int64("x")), (std::vector<std::int64_t>{-128, -1}));
  EXPECT_EQ((Array{{2}, DType::U8, from_hex("80ff")}.to_int64("x")), (std::vector<std::int64_t>{128, 255}));
  EXPECT_EQ((Array{{1}, DType::U32, from_hex("ffffffff")}.to_int64("x")), (std::vector<std::int64_t>{4294967295}));
  EXPECT_EQ(error_of([] {
              (void)Array{{1}, DType::U32, from_hex("ffffffff")}.to_int32("x.npy");
            }),
            "x.npy: element 0: found 4294967295, allowed integers -2147483648 to 2147483647");
  EXPECT_EQ(
      error_of([] {
        (void)Array{{1}, DType::U64, from_hex("ffffffffffffffff")}.to_int64("x.npy");
      }),
      "x.npy: element 0: found 18446744073709551615, allowed integers -9223372036854775808 to 9223372036854775807");
}

TEST(Array, FloatsAreIntegersOnlyWhenAskedAndWhole) {
  const Array whole = Array::from<float>({2}, std::vector<float>{-3.0f, 7.0f});
  EXPECT_EQ(error_of([&] { (void)whole.to_int32("x.npy"); }), "x.npy: found elements of type F32, allowed integers");
  EXPECT_EQ(whole.to_int32("x", true), (std::vector<std::int32_t>{-3, 7}));
  const Array part = Array::from<double>({1}, std::vector<double>{2.5});
  EXPECT_NE(error_of([&] { (void)part.to_int64("x.npy", true); }).find("element 0: found 2.5"), std::string::npos);
  EXPECT_EQ(error_of([&] { (void)part.as<float>("x.npy"); }), "x.npy: found elements of type F64, allowed F32");
}

TEST(Array, TheEndsOf64Bits) {
  const Array beyond = Array::from<double>({1}, std::vector<double>{9223372036854775808.0});
  EXPECT_EQ(error_of([&] { (void)beyond.to_int64("x", true); }),
            "x: element 0: found 9.223372036854776e+18, allowed integers -9223372036854775808 to 9223372036854775807");
  const Array lowest = Array::from<double>({1}, std::vector<double>{-9223372036854775808.0});
  EXPECT_EQ(lowest.to_int64("x", true), (std::vector<std::int64_t>{INT64_MIN}));
  const std::int64_t most = std::int64_t{1} << 62;
  EXPECT_EQ(element_count(std::vector<std::int64_t>{most}, DType::U8, "x"), most);
  EXPECT_EQ(error_of([&] { (void)element_count(std::vector<std::int64_t>{most + 1}, DType::U8, "x"); }),
            "x: shape: found [4611686018427387905], which is beyond memory");
  EXPECT_EQ(element_count(std::vector<std::int64_t>{INT64_MAX, INT64_MAX, 0}, DType::U8, "x"), 0);
}

TEST(Array, HalvesConvertExactly) {
  // binary16: 1.0, -2.0, largest 65504, smallest subnormal 2^-24
  const Array half{{4}, DType::F16, from_hex("003c00c0ff7b0100")};
  EXPECT_EQ(half.to_double(), (std::vector<double>{1.0, -2.0, 65504.0, 0x1p-24}));
  const Array bfloat{{2}, DType::BF16, from_hex("803f4940")};
  EXPECT_EQ(bfloat.to_double(), (std::vector<double>{1.0, 3.140625}));
}

}  // namespace
}  // namespace guardbit::nets

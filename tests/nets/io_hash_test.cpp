// Checksums against published values.
#include "io_support.hpp"
#include "nets/io/compress.hpp"
#include "nets/io/sha256.hpp"

namespace guardbit::nets {
namespace {

// NIST, "Secure Hash Standard" examples (FIPS 180-4) and the empty message.
TEST(Sha256, MatchesThePublishedExamples) {
  EXPECT_EQ(sha256_hex(std::string_view("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex(std::string_view("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex(std::string_view("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(
      sha256_hex(std::string_view(
          "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrst"
          "nopqrstu")),
      "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
  EXPECT_EQ(sha256_hex(std::string(1000000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, PiecesGiveTheSameDigestAsTheWhole) {
  const Bytes data(300, 0x5a);
  for (std::size_t cut = 0; cut <= data.size(); ++cut) {
    Sha256 hash;
    hash.update(ByteView(data).first(cut));
    hash.update(ByteView(data).subspan(cut));
    Sha256 whole;
    whole.update(data);
    EXPECT_EQ(hash.finish(), whole.finish()) << cut;
  }
}

TEST(Crc32, MatchesTheCheckValue) { EXPECT_EQ(crc32_of(to_bytes("123456789")), 0xcbf43926u); }

}  // namespace
}  // namespace guardbit::nets

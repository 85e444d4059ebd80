#include <algorithm>
#include <cmath>
#include <optional>
#include <random>

#include <arrow/api.h>
#include <arrow/json/from_string.h>
#include <gtest/gtest.h>

#include "base/arena.h"
#include "base/parallel.h"
#include "compute/cell_check.h"
#include "compute/expression.h"

/// Lists, maps and structs of every type that they come in, against naive loops over scalars.
namespace tercet {
namespace {

Expression WithMembers(const Expression& expression, const arrow::RecordBatch& batch) {
  return expression.WithMembers(
      [&](const std::string& name) { return batch.schema()->GetFieldIndex(name) >= 0; });
}

class ExpressionNestedTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { InitializeArrow(); }

  static std::shared_ptr<arrow::Array> Evaluate(const std::string& text,
                                                const arrow::RecordBatch& batch) {
    const auto compiled = CompiledExpression::Compile(
        WithMembers(*Expression::Parse(text), batch), *batch.schema());
    EXPECT_TRUE(compiled.ok()) << compiled.status();
    const auto array = *(*compiled)->Evaluate(batch);
    EXPECT_TRUE(array->ValidateFull().ok());
    return array;
  }
};

std::shared_ptr<arrow::RecordBatch> BatchOf(const std::shared_ptr<arrow::Array>& a,
                                            const std::shared_ptr<arrow::Array>& b) {
  EXPECT_EQ(a->length(), b->length());
  return arrow::RecordBatch::Make(
      arrow::schema({arrow::field("a", a->type()), arrow::field("b", b->type())}), a->length(),
      {a, b});
}

/// Lists of all lengths up to `most`, some of them null, some with a null inside.
std::shared_ptr<arrow::Array> RandomLists(const std::shared_ptr<arrow::DataType>& type,
                                          int64_t rows, int64_t most, std::mt19937_64& random) {
  std::string text = "[";
  for (int64_t i = 0; i < rows; ++i) {
    if (i > 0) text += ",";
    if (random() % 9 == 0) {
      text += "null";
      continue;
    }
    const bool fixed = type->id() == arrow::Type::FIXED_SIZE_LIST;
    const int64_t count = fixed ? most : static_cast<int64_t>(random() % (most + 1));
    text += "[";
    for (int64_t k = 0; k < count; ++k) {
      if (k > 0) text += ",";
      text += random() % 200 == 0 ? "null" : std::to_string(static_cast<int>(random() % 201) - 100);
    }
    text += "]";
  }
  return *arrow::json::ArrayFromJSONString(type, text + "]");
}

/// The numbers of a row; nothing where it is null or a number is.
std::optional<std::vector<double>> NumbersOf(const arrow::Array& lists, int64_t row) {
  const auto scalar = *lists.GetScalar(row);
  if (!scalar->is_valid) return std::nullopt;
  const auto& values = *static_cast<const arrow::BaseListScalar&>(*scalar).value;
  std::vector<double> numbers;
  for (int64_t k = 0; k < values.length(); ++k) {
    if (values.IsNull(k)) return std::nullopt;
    numbers.push_back(std::stod((*values.GetScalar(k))->ToString()));
  }
  return numbers;
}

TEST_F(ExpressionNestedTest, ProductsOfListsAreThoseOfANaiveLoop) {
  std::mt19937_64 random(31);
  const std::vector<std::shared_ptr<arrow::DataType>> types = {
      arrow::list(arrow::float64()),          arrow::list(arrow::float32()),
      arrow::list(arrow::int64()),            arrow::list(arrow::int8()),
      arrow::large_list(arrow::float32()),    arrow::fixed_size_list(arrow::float32(), 21),
      arrow::fixed_size_list(arrow::float64(), 21)};
  for (const auto& a_type : types) {
    for (const auto& b_type : types) {
      SCOPED_TRACE(a_type->ToString() + " and " + b_type->ToString());
      constexpr int64_t kRows = 1300;
      const auto whole = BatchOf(RandomLists(a_type, kRows + 7, 21, random),
                                 RandomLists(b_type, kRows + 7, 21, random));
      const auto batch = whole->Slice(5, kRows);
      const auto dot = Evaluate("dot_product(a, b)", *batch);
      const auto distance = Evaluate("l2_distance(a, b)", *batch);
      const auto cosine = Evaluate("cosine_similarity(a, b)", *batch);
      const auto norm = Evaluate("l2_norm(a)", *batch);
      for (int64_t i = 0; i < kRows; ++i) {
        const auto a = NumbersOf(*batch->column(0), i), b = NumbersOf(*batch->column(1), i);
        ASSERT_EQ(norm->IsValid(i), a.has_value());
        const bool same = a && b && a->size() == b->size();
        ASSERT_EQ(dot->IsValid(i), same);
        ASSERT_EQ(distance->IsValid(i), same);
        ASSERT_EQ(cosine->IsValid(i), same);
        if (!same) continue;
        double ab = 0, aa = 0, bb = 0, squares = 0;
        for (size_t k = 0; k < a->size(); ++k) {
          ab += (*a)[k] * (*b)[k];
          aa += (*a)[k] * (*a)[k];
          bb += (*b)[k] * (*b)[k];
          squares += ((*a)[k] - (*b)[k]) * ((*a)[k] - (*b)[k]);
        }
        const auto at = [i](const arrow::Array& array) {
          return static_cast<const arrow::DoubleArray&>(array).Value(i);
        };
        // Sums of whole numbers are exact in any order.
        ASSERT_EQ(at(*dot), ab);
        ASSERT_EQ(at(*distance), std::sqrt(squares));
        ASSERT_EQ(at(*norm), std::sqrt(aa));
        const double expected = ab / (std::sqrt(aa) * std::sqrt(bb));
        if (std::isnan(expected)) {
          ASSERT_TRUE(std::isnan(at(*cosine)));
        } else {
          ASSERT_EQ(at(*cosine), std::clamp(expected, -1.0, 1.0));
        }
      }
      for (int64_t i = 0; i < kRows; i += 13) {
        const auto one = Evaluate("cosine_similarity(a, b)", *batch->Slice(i, 1));
        ASSERT_TRUE(one->RangeEquals(0, 1, i, cosine, arrow::EqualOptions().nans_equal(true)));
      }
    }
  }
}

TEST_F(ExpressionNestedTest, ElementsOfMapsOfEveryType) {
  const auto us = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  struct Case {
    std::shared_ptr<arrow::DataType> type;
    std::string maps, keys, answer;
    std::shared_ptr<arrow::DataType> answer_type;
  };
  const std::vector<Case> cases = {
      {arrow::map(arrow::utf8(), arrow::int32()), R"([[["a",1],["b",null]],[["b",3]],null,[]])",
       R"(["a","b","a","a"])", "[1,3,null,null]", arrow::int64()},
      {arrow::map(arrow::int32(), arrow::utf8()), R"([[[1,"one"]],[[2,"two"]],[[1,"x"],[1,"y"]]])",
       "[1,1,1]", R"(["one",null,"y"])", arrow::utf8()},
      {arrow::map(arrow::boolean(), arrow::float32()), "[[[true,0.5]],[[false,1.5]]]",
       "[true,null]", "[0.5,null]", arrow::float64()},
      {arrow::map(arrow::date32(), us), "[[[10,7],[11,8]],[[12,9]]]", "[11,11]", "[8,null]", us},
      {arrow::map(arrow::large_utf8(), arrow::boolean()), R"([[["",true]]])", R"([""])", "[true]",
       arrow::boolean()},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.type->ToString());
    const auto& key_type = static_cast<const arrow::MapType&>(*one.type).key_type();
    const auto batch = BatchOf(*arrow::json::ArrayFromJSONString(one.type, one.maps),
                               *arrow::json::ArrayFromJSONString(key_type, one.keys));
    const auto expected = *arrow::json::ArrayFromJSONString(one.answer_type, one.answer);
    const auto whole = Evaluate("element_at(a, b)", *batch);
    EXPECT_TRUE(whole->Equals(expected)) << whole->ToString();
    for (int64_t i = 0; i < batch->num_rows(); ++i) {
      EXPECT_TRUE(Evaluate("element_at(a, b)", *batch->Slice(i, 1))->RangeEquals(0, 1, i, whole));
    }
  }
}

TEST_F(ExpressionNestedTest, MapsInTheTextAreLookedUpByCellsToo) {
  const auto batch = BatchOf(*arrow::json::ArrayFromJSONString(arrow::utf8(),
                                                               R"(["JFK","X",null,"LAX"])"),
                             *arrow::json::ArrayFromJSONString(arrow::int64(), "[1,2,3,null]"));
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"element_at(map('JFK', 1, 'LAX', 2.5), a)", "[1,null,null,2.5]"},
      {"element_at(map(1, 0.5, 2, null, 1, 0.25), b)", "[0.25,null,null,null]"},
      {"coalesce(element_at(map(lower('JFK'), 10.0), lower(a)), 7)", "[10,7,7,7]"}};
  for (const auto& [text, answer] : cases) {
    SCOPED_TRACE(text);
    const auto compiled = *CompiledExpression::Compile(*Expression::Parse(text), *batch->schema());
    const auto whole = *compiled->Evaluate(*batch);
    EXPECT_TRUE(whole->Equals(*arrow::json::ArrayFromJSONString(arrow::float64(), answer)))
        << whole->ToString();
    Arena memory;
    for (int64_t i = 0; i < batch->num_rows(); ++i) {
      Cell cell;
      ASSERT_TRUE(compiled->takes_cells());
      // Cells of the columns that are there.
      ASSERT_TRUE(compiled->EvaluateRow(RowOfCells(*batch, i), &memory, &cell).ok());
      ExpectSameCell(*whole, i, cell);
    }
  }
}

TEST_F(ExpressionNestedTest, MapsThatCanNotBeLookedUpAreRefused) {
  const auto schema = arrow::schema(
      {arrow::field("lists", arrow::map(arrow::utf8(), arrow::list(arrow::utf8()))),
       arrow::field("plain", arrow::map(arrow::utf8(), arrow::int8()))});
  const auto why = [&](const std::string& text) {
    return CompiledExpression::Compile(*Expression::Parse(text), *schema).status().message();
  };
  EXPECT_NE(why("element_at(lists, 'a')").find("whose keys and values expressions can read"),
            std::string::npos);
  EXPECT_NE(why("element_at(plain, 1)").find("'element_at' takes string, not int64"),
            std::string::npos);
  EXPECT_NE(why("plain").find("the result is a map"), std::string::npos);
  EXPECT_NE(why("map('a', 1, 'b')").find("keys and values in turn"), std::string::npos);
  EXPECT_NE(why("map('a', element_at(plain, 'a'))").find("its argument 2 is computed"),
            std::string::npos);
  EXPECT_NE(why("map('a', 1, null, 2)").find("a key of 'map' is null"), std::string::npos);
}

/// Places, each with a struct of a struct, a map of structs and lists; `rows` of them.
std::shared_ptr<arrow::RecordBatch> Places() {
  const auto point = arrow::struct_(
      {arrow::field("lat", arrow::float32()), arrow::field("lon", arrow::float64())});
  const auto home = arrow::struct_({arrow::field("at", point), arrow::field("city", arrow::utf8()),
                                    arrow::field("tags", arrow::list(arrow::float32()))});
  const auto visits = arrow::map(arrow::utf8(), point);
  return arrow::RecordBatch::Make(
      arrow::schema({arrow::field("home", home), arrow::field("visits", visits),
                     arrow::field("home.city", arrow::int64()),
                     arrow::field("odd", arrow::struct_({arrow::field("a.b", arrow::int8())}))}),
      5,
      {*arrow::json::ArrayFromJSONString(home, R"([[[59.5, 10.25], "Oslo", [3, 4]], null,
          [null, "Bergen", null], [[null, 1], null, []], [[1, 2], "Å", [1, null]]])"),
       *arrow::json::ArrayFromJSONString(visits, R"([[["a", [1, 2]], ["b", null]], null, [],
          [["a", [null, 4]]], [["b", [5, 6]]]])"),
       *arrow::json::ArrayFromJSONString(arrow::int64(), "[1, 2, 3, 4, 5]"),
       *arrow::json::ArrayFromJSONString(arrow::struct_({arrow::field("a.b", arrow::int8())}),
                                         "[[1], [2], [3], [4], null]")});
}

TEST_F(ExpressionNestedTest, MembersOfStructs) {
  const auto places = Places();
  const auto is = [&](const std::string& text, const std::shared_ptr<arrow::DataType>& type,
                      const std::string& values) {
    SCOPED_TRACE(text);
    const auto expected = *arrow::json::ArrayFromJSONString(type, values);
    for (int64_t from = 0; from < places->num_rows(); ++from) {
      const auto answer = Evaluate(text, *places->Slice(from));
      EXPECT_TRUE(answer->Equals(expected->Slice(from)))
          << "from row " << from << ": " << answer->ToString();
    }
  };
  is("home.at.lon", arrow::float64(), "[10.25, null, null, 1, 2]");
  is("home.at.lat * 2", arrow::float64(), "[119, null, null, null, 2]");
  is("home['at']['lon'] + 1", arrow::float64(), "[11.25, null, null, 2, 3]");
  is("home['at'].lon", arrow::float64(), "[10.25, null, null, 1, 2]");
  is("element_at(home, 'city')", arrow::utf8(), R"(["Oslo", null, "Bergen", null, "Å"])");
  // A column is found before a member, whose name is in brackets then.
  is("home.city", arrow::int64(), "[1, 2, 3, 4, 5]");
  is("home['city']", arrow::utf8(), R"(["Oslo", null, "Bergen", null, "Å"])");
  is("odd['a.b']", arrow::int64(), "[1, 2, 3, 4, null]");
  is("visits['a'].lat", arrow::float64(), "[1, null, null, null, null]");
  is("(visits['b']).lon", arrow::float64(), "[null, null, null, null, 6]");
  is("l2_norm(home.tags)", arrow::float64(), "[5, null, null, 0, null]");
  is("home is null", arrow::boolean(), "[false, true, false, false, false]");
  is("home.at is null", arrow::boolean(), "[false, true, true, false, false]");
  is("visits['b'] is not null", arrow::boolean(), "[false, false, false, false, true]");
  is("\"home\".\"at\".lon", arrow::float64(), "[10.25, null, null, 1, 2]");
}

TEST_F(ExpressionNestedTest, SaysWhichMemberIsMissing) {
  const auto places = Places();
  const auto error = [&](const std::string& text) {
    const auto parsed = Expression::Parse(text);
    if (!parsed.ok()) return parsed.status().message();
    return CompiledExpression::Compile(WithMembers(*parsed, *places), *places->schema())
        .status()
        .message();
  };
  const auto has = [](const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  has(error("home.att.lon"), "no member 'att' (did you mean 'at'?)");
  has(error("home['lat']"), "no member 'lat'");
  has(error("home[home['city']]"), "text in single quotes");
  has(error("visits.a"), "which has no members");
  has(error("home.at"), "the result is a struct");
  has(error("hme.at"), "there is no column 'hme.at'");
  has(error("visits['a"), "expected the closing '");
  has(error("visits['a'"), "expected ']'");
  has(error("visits."), "expected the name of a member");
  has(error("1['a']"), "a map and a key, or a struct and a member's name");
}

}  // namespace
}  // namespace tercet

// Every model of testdata/ answers what its own library answered, bit for bit, whatever the batch.
#include "runtime/predictor.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <regex>

#include <arrow/builder.h>
#include <arrow/compute/cast.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/model_fixture.h"

namespace tercet {
namespace {

using ::testing::HasSubstr;

/// Files with answers beside them.
std::vector<std::string> AnsweredModels() {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(ModelFixture::kTestdata)) {
    std::filesystem::path answers = entry.path();
    answers.replace_extension(".arrow");
    const std::string extension = entry.path().extension();
    if (extension != ".arrow" && std::filesystem::exists(answers)) {
      files.push_back(entry.path().filename());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// Equal bits, so that −0 differs from 0.
void ExpectSameBits(const arrow::Array& found, const arrow::Array& expected,
                    const std::string& what) {
  ASSERT_EQ(found.length(), expected.length()) << what;
  ASSERT_TRUE(found.type()->Equals(expected.type()))
      << what << ": " << found.type()->ToString() << ", not " << expected.type()->ToString();
  if (found.Equals(expected, arrow::EqualOptions().nans_equal(true).signed_zeros_equal(false))) {
    return;
  }
  for (int64_t i = 0; i < found.length(); ++i) {
    const std::string a = found.GetScalar(i).ValueOrDie()->ToString();
    const std::string b = expected.GetScalar(i).ValueOrDie()->ToString();
    ASSERT_TRUE(found.RangeEquals(expected, i, i + 1, i)) << what << ", row " << i << ": " << a
                                                          << ", not " << b;
  }
  FAIL() << what;
}

class FixtureTest : public ::testing::TestWithParam<std::string> {};

TEST_P(FixtureTest, AnswersAsItsLibraryDoes) {
  const ModelFixture fixture(GetParam());
  const Signature signature = InferSignature(fixture.format, fixture.directory()).ValueOrDie();
  auto predictor = LoadPredictor(fixture.format, fixture.directory(), signature).ValueOrDie();
  ASSERT_EQ(signature.inputs->num_fields(), fixture.inputs->num_columns());
  ASSERT_EQ(signature.outputs->num_fields(), static_cast<int>(fixture.expected.size()));

  const auto whole = predictor->Predict(*fixture.inputs).ValueOrDie();
  for (size_t i = 0; i < fixture.expected.size(); ++i) {
    const auto expected = arrow::compute::Cast(fixture.expected[i], whole->column(i)->type());
    ExpectSameBits(*whole->column(i), *expected.ValueOrDie().make_array(),
                   "output " + std::to_string(i));
  }
  // Alone, or in the midst of others: the same.
  for (const int64_t row : {int64_t{0}, int64_t{5}, fixture.inputs->num_rows() - 1}) {
    const auto one = predictor->Predict(*fixture.inputs->Slice(row, 1)).ValueOrDie();
    EXPECT_TRUE(one->Equals(*whole->Slice(row, 1), arrow::EqualOptions().nans_equal(true)));
  }
  // So few rows are walked one by one, more of them go through the trees in blocks.
  for (int64_t row = 0; row < fixture.inputs->num_rows(); row += 15) {
    const auto few = predictor->Predict(*fixture.inputs->Slice(row, 15)).ValueOrDie();
    EXPECT_TRUE(few->Equals(*whole->Slice(row, 15), arrow::EqualOptions().nans_equal(true)));
  }
  std::vector<std::shared_ptr<arrow::RecordBatch>> copies(40, fixture.inputs);
  const auto large = arrow::Table::FromRecordBatches(copies).ValueOrDie()
                         ->CombineChunksToBatch().ValueOrDie();
  // Cell by cell the same bits.
  const auto in_place = predictor->ForRows(*fixture.inputs->schema());
  ASSERT_EQ(in_place == nullptr, std::string(GetParam()).starts_with("onnx"));
  Arena memory;
  std::vector<Cell> cells(static_cast<size_t>(whole->num_columns()));
  for (int64_t row = 0; in_place != nullptr && row < fixture.inputs->num_rows(); ++row) {
    std::vector<Cell> inputs;
    for (const auto& column : fixture.inputs->columns()) inputs.push_back(CellOf(*column, row));
    memory.Reset();
    in_place->Predict(inputs, &memory, cells);
    for (int c = 0; c < whole->num_columns(); ++c) {
      EXPECT_EQ(cells[static_cast<size_t>(c)].bytes(), CellOf(*whole->column(c), row).bytes());
    }
  }
  const auto answers = predictor->Predict(*large).ValueOrDie();
  EXPECT_TRUE(answers->Slice(whole->num_rows() * 39)
                  ->Equals(*whole, arrow::EqualOptions().nans_equal(true)));
  EXPECT_EQ(predictor->Predict(*fixture.inputs->Slice(0, 0)).ValueOrDie()->num_rows(), 0);
}

INSTANTIATE_TEST_SUITE_P(Models, FixtureTest, ::testing::ValuesIn(AnsweredModels()),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

TEST(Fixtures, AreAllThere) { EXPECT_GE(AnsweredModels().size(), 35); }

class RefusalTest : public ::testing::TestWithParam<std::pair<std::string, std::string>> {};

TEST_P(RefusalTest, SaysWhatIsNotEvaluated) {
  const ModelFixture fixture(GetParam().first);
  const Status status = InferSignature(fixture.format, fixture.directory()).status();
  EXPECT_TRUE(status.IsNotImplemented()) << status;
  EXPECT_THAT(status.message(), HasSubstr(GetParam().second));
}

INSTANTIATE_TEST_SUITE_P(Models, RefusalTest,
                         ::testing::Values(std::pair{"xgboost_gblinear.json", "gblinear"},
                                           std::pair{"lightgbm_linear.txt", "linear"},
                                           std::pair{"onnx_zipmap.onnx", "zipmap"}));

TEST(TreePredictor, CastsNumbersAndTakesNullsAsMissing) {
  const ModelFixture fixture("xgboost_reg_squarederror.json");
  const Signature signature = *InferSignature(fixture.format, fixture.directory());
  auto predictor = LoadPredictor(fixture.format, fixture.directory(), signature).ValueOrDie();
  // Floats as they are, against the same as doubles with nulls for NaN.
  std::vector<std::shared_ptr<arrow::Array>> columns;
  arrow::FieldVector fields;
  for (int c = 0; c < fixture.inputs->num_columns(); ++c) {
    const auto& floats = static_cast<const arrow::FloatArray&>(*fixture.inputs->column(c));
    arrow::DoubleBuilder builder;
    for (int64_t i = 0; i < floats.length(); ++i) {
      ASSERT_TRUE((std::isnan(floats.Value(i)) ? builder.AppendNull()
                                               : builder.Append(floats.Value(i))).ok());
    }
    columns.push_back(builder.Finish().ValueOrDie());
    fields.push_back(arrow::field("x" + std::to_string(c), arrow::float64()));
  }
  const auto doubles =
      arrow::RecordBatch::Make(arrow::schema(fields), fixture.inputs->num_rows(), columns);
  EXPECT_TRUE((*predictor->Predict(*doubles))->Equals(**predictor->Predict(*fixture.inputs)));
  EXPECT_TRUE((*predictor->Predict(*doubles->Slice(7, 20)))
                  ->Equals(**predictor->Predict(*fixture.inputs->Slice(7, 20))));

  // Integers of all widths, booleans and decimals are numbers too.
  const std::vector<std::shared_ptr<arrow::DataType>> types = {
      arrow::int8(), arrow::uint8(), arrow::int16(), arrow::uint16(), arrow::int32(),
      arrow::uint32(), arrow::int64(), arrow::uint64(), arrow::boolean(), arrow::float16(),
      arrow::decimal128(10, 2), arrow::decimal256(40, 2), arrow::null()};
  for (const auto& type : types) {
    std::vector<std::shared_ptr<arrow::Array>> ones;
    arrow::FieldVector one_fields;
    for (int c = 0; c < 4; ++c) {
      auto builder = arrow::MakeBuilder(type).ValueOrDie();
      ASSERT_TRUE(builder->AppendEmptyValue().ok());
      ones.push_back(builder->Finish().ValueOrDie());
      one_fields.push_back(arrow::field("x" + std::to_string(c), type));
    }
    const auto batch = arrow::RecordBatch::Make(arrow::schema(one_fields), 1, ones);
    EXPECT_TRUE(predictor->Predict(*batch).ok()) << type->ToString();
  }
  const auto words = arrow::RecordBatch::MakeEmpty(
      arrow::schema({arrow::field("a", arrow::utf8()), fields[0], fields[1], fields[2]}));
  EXPECT_TRUE(predictor->Predict(**words).status().IsTypeError());
}

TEST(TreePredictor, ReadsTheFormOfXgboostOne) {
  const ModelFixture fixture("xgboost_2.json");
  const std::string path = fixture.directory() + "/model.json";
  std::ifstream stream(path);
  std::string text((std::istreambuf_iterator<char>(stream)), {});
  // Then there were no categories and no targets, and directions were true and false.
  for (const std::string key : {"split_type", "categories_nodes", "num_target"}) {
    text = std::regex_replace(text, std::regex("\"" + key + "\""), "\"not_yet_there\"");
  }
  const std::regex directions("\"default_left\": *\\[[01, ]*\\]");
  for (auto at = text.cbegin();;) {
    std::smatch found;
    if (!std::regex_search(at, text.cend(), found, directions)) break;
    std::string words = std::regex_replace(found.str(), std::regex("1"), "true");
    words = std::regex_replace(words, std::regex("0"), "false");
    const size_t position = static_cast<size_t>(found[0].first - text.cbegin());
    text.replace(position, static_cast<size_t>(found.length()), words);
    at = text.cbegin() + static_cast<int64_t>(position + words.size());
  }
  std::ofstream(path) << text;
  const Signature signature = InferSignature(fixture.format, fixture.directory()).ValueOrDie();
  auto predictor = LoadPredictor(fixture.format, fixture.directory(), signature).ValueOrDie();
  const auto answers = predictor->Predict(*fixture.inputs).ValueOrDie();
  ExpectSameBits(*answers->column(0), *fixture.expected[0], "prediction");
}

TEST(TreePredictor, OutputsAreCastToTheSignature) {
  const ModelFixture fixture("xgboost_multi_softmax.json");
  Signature signature = *InferSignature(fixture.format, fixture.directory());
  signature.outputs = arrow::schema({arrow::field("class", arrow::int64())});
  auto predictor = LoadPredictor(fixture.format, fixture.directory(), signature).ValueOrDie();
  const auto answers = predictor->Predict(*fixture.inputs).ValueOrDie();
  EXPECT_EQ(answers->schema()->field(0)->name(), "class");
  EXPECT_EQ(answers->column(0)->type_id(), arrow::Type::INT64);
}

TEST(LoadPredictor, RefusesSignaturesThatDoNotFit) {
  const ModelFixture fixture("xgboost_binary_logistic.json");
  const Signature good = *InferSignature(fixture.format, fixture.directory());
  const auto message = [&](const Signature& signature) {
    const Status status =
        LoadPredictor(fixture.format, fixture.directory(), signature).status();
    EXPECT_TRUE(status.IsInvalid()) << status;
    return status.message();
  };
  EXPECT_THAT(message({}), HasSubstr("without a signature"));
  Signature bad = good;
  bad.inputs = arrow::schema({good.inputs->field(0)});
  EXPECT_THAT(message(bad), HasSubstr("takes 4 features, not 1"));
  bad.inputs = arrow::schema({good.inputs->field(0), good.inputs->field(1), good.inputs->field(2),
                              arrow::field("carrier", arrow::utf8())});
  EXPECT_THAT(message(bad), HasSubstr("'carrier'"));
  bad = good;
  bad.outputs = arrow::schema({good.outputs->field(0), good.outputs->field(0)});
  EXPECT_THAT(message(bad), HasSubstr("2 outputs"));
  bad.outputs = arrow::schema({arrow::field("p", arrow::utf8())});
  EXPECT_THAT(message(bad), HasSubstr("'p'"));
  EXPECT_TRUE(LoadPredictor(ModelFormat::kLightgbm, fixture.directory(), good).status()
                  .IsInvalid());  // no such file
  EXPECT_TRUE(InferSignature(ModelFormat::kPython, fixture.directory()).status().IsInvalid());
}

std::shared_ptr<arrow::Array> Int64s(const std::vector<int64_t>& values) {
  arrow::Int64Builder builder;
  EXPECT_TRUE(builder.AppendValues(values).ok());
  return builder.Finish().ValueOrDie();
}

TEST(OnnxPredictor, RefusesWhatDoesNotFit) {
  const ModelFixture columns("onnx_columns.onnx");
  const Signature good = *InferSignature(columns.format, columns.directory());
  EXPECT_THAT(good.inputs->field_names(), ::testing::ElementsAre("carrier", "count", "x"));
  EXPECT_EQ(good.outputs->field(0)->type()->id(), arrow::Type::STRING);
  Signature bad = good;
  bad.inputs = arrow::schema({arrow::field("carrier", arrow::int64()), good.inputs->field(1),
                              good.inputs->field(2)});
  EXPECT_THAT(LoadPredictor(columns.format, columns.directory(), bad).status().message(),
              HasSubstr("'carrier'"));
  bad = good;
  bad.outputs = arrow::schema({good.outputs->field(0)});
  EXPECT_THAT(LoadPredictor(columns.format, columns.directory(), bad).status().message(),
              HasSubstr("the model gives 3"));
  // A null where the model has no missing value.
  auto predictor = LoadPredictor(columns.format, columns.directory(), good).ValueOrDie();
  std::vector<std::shared_ptr<arrow::Array>> nulls;
  for (const auto& field : good.inputs->fields()) {
    nulls.push_back(arrow::MakeArrayOfNull(field->type(), 1).ValueOrDie());
  }
  const Status missing =
      predictor->Predict(*arrow::RecordBatch::Make(good.inputs, 1, nulls)).status();
  EXPECT_TRUE(missing.IsInvalid());
  EXPECT_THAT(missing.message(), HasSubstr("'carrier' is null in row 0"));
}

TEST(OnnxPredictor, TakesRowsOfSeveralElementsAsLists) {
  const ModelFixture tensors("onnx_tensors.onnx");
  const Signature good = *InferSignature(tensors.format, tensors.directory());
  EXPECT_EQ(good.inputs->field(0)->type()->ToString(), "list<item: int64>");
  EXPECT_EQ(good.inputs->field(1)->type()->ToString(), "float");
  EXPECT_EQ(good.inputs->field(2)->type()->ToString(), "fixed_size_list<item: uint8>[6]");
  EXPECT_EQ(good.outputs->field(0)->type()->ToString(), "fixed_size_list<item: uint8>[6]");
  EXPECT_EQ(good.outputs->field(3)->type()->ToString(), "fixed_size_list<item: float>[2]");
  auto predictor = LoadPredictor(tensors.format, tensors.directory(), good).ValueOrDie();
  const auto with = [&](int column, const std::shared_ptr<arrow::Array>& values) {
    const auto row = tensors.inputs->Slice(0, 1);
    const auto field = arrow::field(row->column_name(column), values->type());
    return predictor->Predict(*row->SetColumn(column, field, values).ValueOrDie()).status();
  };
  const auto null = arrow::MakeArrayOfNull(arrow::list(arrow::int64()), 1).ValueOrDie();
  EXPECT_THAT(with(0, null).message(), HasSubstr("'tokens' is null in row 0"));
  EXPECT_THAT(with(2, null).message(), HasSubstr("'image' is null in row 0"));
  const auto one = Int64s({1});
  EXPECT_THAT(with(2, one).message(), HasSubstr("takes a list of uint8"));
  const auto offsets = arrow::compute::Cast(*Int64s({0, 1}), arrow::int32()).ValueOrDie();
  const auto short_list = arrow::ListArray::FromArrays(*offsets, *one).ValueOrDie();
  EXPECT_THAT(with(2, short_list).message(),
              HasSubstr("has 1 elements in row 0; the model takes 6, of the shape (2, 3)"));
  Signature bad = good;
  bad.inputs = *good.inputs->SetField(2, arrow::field("image", arrow::int64()));
  EXPECT_THAT(LoadPredictor(tensors.format, tensors.directory(), bad).status().message(),
              HasSubstr("the model takes a row of the shape (2, 3): a list"));
  bad.inputs = *good.inputs->SetField(2, arrow::field("image", arrow::fixed_size_list(
                                                                   arrow::uint8(), 5)));
  EXPECT_THAT(LoadPredictor(tensors.format, tensors.directory(), bad).status().message(),
              HasSubstr("lists of 5, the model takes 6"));
}

/// A matrix takes its features in one list where the signature says so: the same answers.
TEST(OnnxPredictor, TakesAMatrixAsOneList) {
  const ModelFixture forest("onnx_forest.onnx");
  Signature signature = *InferSignature(forest.format, forest.directory());
  auto columns = LoadPredictor(forest.format, forest.directory(), signature).ValueOrDie();
  const auto expected = columns->Predict(*forest.inputs).ValueOrDie();
  signature.inputs =
      arrow::schema({arrow::field("embedding", arrow::fixed_size_list(arrow::float32(), 4))});
  auto lists = LoadPredictor(forest.format, forest.directory(), signature).ValueOrDie();
  arrow::FloatBuilder items;
  for (int64_t row = 0; row < forest.inputs->num_rows(); ++row) {
    for (const auto& column : forest.inputs->columns()) {
      ASSERT_TRUE(items.Append(static_cast<const arrow::FloatArray&>(*column).Value(row)).ok());
    }
  }
  const auto embedding = std::make_shared<arrow::FixedSizeListArray>(
      signature.inputs->field(0)->type(), forest.inputs->num_rows(), items.Finish().ValueOrDie());
  const auto answers =
      lists->Predict(*arrow::RecordBatch::Make(signature.inputs, embedding->length(), {embedding}))
          .ValueOrDie();
  EXPECT_TRUE(answers->Equals(*expected));
}

/// Each file cut short or with bytes changed is an error, or a model that still answers.
TEST(CorruptModels, AreErrorsNotCrashes) {
  for (const char* file : {"xgboost_multi_softprob.json", "xgboost_categories.ubj",
                                  "xgboost_words.json", "lightgbm_categories.txt"}) {
    const ModelFixture fixture(file);
    const std::string path = std::filesystem::directory_iterator(fixture.directory())->path();
    std::string bytes;
    {
      std::ifstream stream(path, std::ios::binary);
      bytes.assign(std::istreambuf_iterator<char>(stream), {});
    }
    const auto load = [&](const std::string& changed) {
      std::ofstream(path, std::ios::binary) << changed;
      const auto signature = InferSignature(fixture.format, fixture.directory());
      if (!signature.ok()) return signature.status();
      ARROW_ASSIGN_OR_RAISE(auto predictor,
                            LoadPredictor(fixture.format, fixture.directory(), *signature));
      return predictor->Predict(*fixture.inputs).status();
    };
    // What follows LightGBM's trees are notes that nobody reads.
    const size_t end = std::min(bytes.find("end of trees"), bytes.size() - 4);
    for (size_t size = 0; size < end; size += 1 + end / 60) {
      const Status cut = load(bytes.substr(0, size));
      EXPECT_TRUE(cut.IsIOError()) << file << " cut to " << size << ": " << cut;
    }
    for (size_t at = 0; at < bytes.size(); at += 1 + bytes.size() / 100) {
      std::string changed = bytes;
      changed[at] = changed[at] == '9' ? '-' : '9';
      const Status status = load(changed);
      EXPECT_FALSE(status.IsUnknownError()) << status;
    }
  }
  const ModelFixture onnx("onnx_forest.onnx");
  std::ofstream(onnx.directory() + "/model.onnx") << "not a model";
  EXPECT_TRUE(InferSignature(onnx.format, onnx.directory()).status().IsIOError());
}

TEST(OnnxProviderTest, OneThatTheLibraryHasNotIsTold) {
  const ModelFixture forest("onnx_forest.onnx");
  const Signature signature = InferSignature(forest.format, forest.directory()).ValueOrDie();
  const auto load = [&](const char* provider) {
    ::setenv("TERCET_ONNX_PROVIDER", provider, 1);
    const Status status = LoadPredictor(forest.format, forest.directory(), signature).status();
    ::unsetenv("TERCET_ONNX_PROVIDER");
    return status;
  };
  EXPECT_TRUE(load("cpu").ok());
  EXPECT_THAT(load("cuda").message(), ::testing::ContainsRegex("CUDA|Cuda"));
  EXPECT_THAT(load("tpu").message(), ::testing::HasSubstr("there are cpu and cuda"));
}

}  // namespace
}  // namespace tercet

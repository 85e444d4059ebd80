#include "bucket/xml_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tercet {
namespace {

using testing::HasSubstr;

TEST(Xml, ReadsAListing) {
  const auto root = ParseXml(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- from a store -->\n"
      "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
      "<IsTruncated>false</IsTruncated><Prefix/>"
      "<Contents><Key>a&amp;b&#x2F;&#233;</Key><Size>12</Size></Contents>"
      "<Contents><Key><![CDATA[<c>]]></Key></Contents >\n</ListBucketResult>");
  ASSERT_TRUE(root.ok()) << root.status();
  EXPECT_EQ(root->name, "ListBucketResult");
  EXPECT_EQ(root->TextOf("IsTruncated"), "false");
  EXPECT_EQ(root->TextOf("Prefix"), "");
  EXPECT_EQ(root->Find("Nothing"), nullptr);
  ASSERT_EQ(root->children.size(), 4u);
  EXPECT_EQ(root->children[2].TextOf("Key"), "a&b/\u00e9");
  EXPECT_EQ(root->children[3].TextOf("Key"), "<c>");
}

TEST(Xml, RefusesWhatIsNone) {
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "<a>";
  for (const std::string& text :
       {std::string(), std::string("plain"), std::string("<a>"), std::string("<a><b></a></b>"),
        std::string("<a>&nbsp;</a>"), std::string("<a>&#;</a>"), std::string("<a>&#x110000;</a>"),
        std::string("<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>"), std::string("<a>&lt</a>"),
        std::string("</a>"), deep}) {
    EXPECT_THAT(ParseXml(text).status().message(), HasSubstr("no XML")) << text;
  }
}

}  // namespace
}  // namespace tercet

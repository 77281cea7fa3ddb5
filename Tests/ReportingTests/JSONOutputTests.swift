import Foundation
import Reporting
import Testing

@Suite struct JSONOutputTests {
  @Test func keysKeepTheirOrder() {
    let value: JSONOutput = [
      "schema": "isa-patch/inspect/1", "model": "m.onnx", "a": nil, "sites": [["name": "s", "heads": 3], [:]],
      "shape": [1, 3, 8], "psnr": 37.5, "replaced": true, "none": [],
    ]
    #expect(
      value.document == """
        {
          "schema": "isa-patch/inspect/1",
          "model": "m.onnx",
          "a": null,
          "sites": [
            {
              "name": "s",
              "heads": 3
            },
            {}
          ],
          "shape": [1, 3, 8],
          "psnr": 37.5,
          "replaced": true,
          "none": []
        }

        """)
    #expect(value.compact.hasPrefix(#"{"schema": "isa-patch/inspect/1", "model": "m.onnx", "a": null, "sites": [{"#))
  }

  /// Foundation's reader gives back every text and number.
  @Test func anyTextAndNumberReadsBack() throws {
    let texts = ["\"\\/\u{8}\n\r\t\u{0}\u{1F}\u{7F}", "日本 🎞 e\u{301}", "\u{2028}\u{2029}", ""]
    let numbers = [0.1, 1e-300, 1.7976931348623157e308, .leastNonzeroMagnitude, -0.0, 1e15, 123456789.125, 1.0 / 3]
    let value = JSONOutput.array(texts.map { JSONOutput($0) } + numbers.map { JSONOutput($0) } + [JSONOutput(Int.min)])
    let back = try #require(try JSONSerialization.jsonObject(with: Data(value.document.utf8)) as? [Any])
    #expect(back.prefix(texts.count).map { $0 as? String } == texts)
    for (number, read) in zip(numbers, back.dropFirst(texts.count)) {
      #expect((read as? NSNumber)?.doubleValue == number)
    }
    #expect((back.last as? NSNumber)?.intValue == .min)
  }

  @Test func whatJSONDoesNotHaveIsNull() {
    #expect(
      JSONOutput.array([.number(.nan), .number(.infinity), JSONOutput(nil as String?)]).compact == "[null, null, null]")
  }
}

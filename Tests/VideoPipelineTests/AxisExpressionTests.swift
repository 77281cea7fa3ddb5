import Testing
import VideoPipeline

@Suite struct AxisExpressionTests {
  @Test(
    arguments: [
      ("F*(H/8)*(W/8)", 8 * 16 * 12), ("H/8", 16), ("1 + 2*3", 7), ("(1+2)*3", 9), ("20-5-3", 12), ("64/4/2", 8),
      ("17%5", 2), ("F - 10", -2), ("2*(F+(W%7))", 26), ("  W ", 96),
    ] as [(String, Int)])
  func valuesFollowArithmetic(text: String, expected: Int) throws {
    let expression = try AxisExpression(parsing: text)
    #expect(try expression.value(["F": 8, "H": 128, "W": 96]) == expected)
    // What is printed means the same.
    #expect(try AxisExpression(parsing: expression.description).value(["F": 8, "H": 128, "W": 96]) == expected)
  }

  @Test(arguments: [
    "", "F*", "*F", "(F", "F)", "F H", "1.5", "F//8", "a-b-", "é", "9999999999999999999", "F;H", "2F", "-F",
    String(repeating: "(", count: 200), String(repeating: "1+", count: 200) + "1",
  ])
  func whatIsNoExpressionIsRefused(text: String) {
    #expect(throws: AxisExpression.Failure.self) { try AxisExpression(parsing: text) }
  }

  @Test func aDivisionHasToComeOutEven() throws {
    let expression = try AxisExpression(parsing: "H/8")
    #expect(throws: AxisExpression.Failure.notEven(dividend: 100, divisor: 8, expression)) {
      try expression.value(["H": 100])
    }
    #expect(throws: AxisExpression.Failure.unknownName("H")) { try expression.value([:]) }
  }

  @Test(arguments: ["F*F", "F+F", "F/0", "F%0"])
  func nothingOverflows(text: String) throws {
    let expression = try AxisExpression(parsing: text)
    #expect(throws: AxisExpression.Failure.overflow(expression)) { try expression.value(["F": .max]) }
  }

  @Test func namesAreReplacedForTheGraph() throws {
    let expression = try AxisExpression(parsing: "F*(H/8)")
    #expect(expression.names == ["F", "H"])
    #expect(expression.text(division: "//") { $0 == "H" ? "(8*h)" : "f" } == "f*((8*h)//8)")
  }
}

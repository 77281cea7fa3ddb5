import ONNXGraph
import TestSupport
import Testing

/// Nodes that no run can compute are told with what is wrong; ONNX Runtime refuses each of these models.
@Suite struct NodeChecksTests {
  struct Case: Sendable, CustomStringConvertible {
    var op: String
    var inputs: [[TinyModel.Dimension]]
    var attributes: [String: TinyModel.Attribute] = [:]
    var numbers: [Int64]?
    /// Part of what is said; nil where nothing is wrong.
    var expected: String?

    var description: String { "\(op) \(expected ?? "is right")" }
  }

  static let cases: [Case] = [
    Case(op: "Squeeze", inputs: [[2, 6, 4]], numbers: [1], expected: "squeezes axis 1, which is 6 long"),
    Case(op: "Squeeze", inputs: [[2, 1, 4]], numbers: [1]),
    Case(op: "Squeeze", inputs: [[2, "n", 4]], numbers: [1]),
    Case(op: "Concat", inputs: [[2, 3], [3]], attributes: ["axis": .int(0)], expected: "with 2 and 1 axes"),
    Case(op: "Concat", inputs: [[2, 3], [2, 4]], attributes: ["axis": .int(0)], expected: "3 and 4 long on axis 1"),
    Case(op: "Concat", inputs: [[2, 3], [2, 4]], attributes: ["axis": .int(-1)]),
    Case(op: "Concat", inputs: [[2, 3], [2, 3]], attributes: ["axis": .int(2)], expected: "along axis 2"),
    Case(op: "MatMul", inputs: [[2, 3, 4], [2, 5, 6]], expected: "rows of 4 elements with columns of 5"),
    Case(op: "MatMul", inputs: [[2, 3, 4], [3, 4, 6]], expected: "2 and 3 do not go together"),
    Case(op: "MatMul", inputs: [[2, 3, 4], [4]]),
    Case(op: "Gemm", inputs: [[3, 4], [6, 4]], attributes: ["transB": .int(1)]),
    Case(op: "Gemm", inputs: [[3, 4], [6, 4]], expected: "rows of 4 elements with columns of 6"),
    Case(op: "Add", inputs: [[2, 3, 4], [2, 4]], expected: "2 and 3 do not go together"),
    Case(op: "Add", inputs: [[2, 3, 4], [1, 4]]),
    Case(op: "Add", inputs: [[2, "n", 4], [7, 4]]),
    Case(op: "Reshape", inputs: [[2, 6]], numbers: [5, -1], expected: "makes 5 elements of 12"),
    Case(op: "Reshape", inputs: [[2, 6]], numbers: [0, 3, -1]),
    Case(op: "Reshape", inputs: [[2, 6]], numbers: [3, 5], expected: "makes 15 elements of 12"),
    Case(op: "Transpose", inputs: [[2, 6]], attributes: ["perm": .ints([0, 2, 1])], expected: "orders 3 axes"),
    Case(op: "Split", inputs: [[2, 6]], attributes: ["axis": .int(1)], numbers: [2, 3], expected: "takes 5 positions"),
    Case(op: "Conv", inputs: [[1, 3, 8, 8], [4, 2, 1, 1]], expected: "takes 2 channels of 3"),
    Case(op: "Slice", inputs: [[2, 6], [1], [1]], expected: "input 1 has to be of integers"),
  ]

  @Test(arguments: cases) func tells(_ form: Case) throws {
    var m = TinyModel()
    for (i, shape) in form.inputs.enumerated() { m.input("x\(i)", 1, shape) }
    var inputs = form.inputs.indices.map { "x\($0)" }
    if let numbers = form.numbers {
      m.initializer("numbers", int64s: numbers, shape: [numbers.count])
      inputs.append("numbers")
    }
    m.node(form.op, name: "it", inputs, form.op == "Split" ? ["y", "z"] : ["y"], form.attributes)
    m.output("y", 1)
    let found = ShapeInference(try Model.load(bytes: m.bytes, path: "t.onnx")).invalidNodes()
    if let expected = form.expected {
      #expect(found.count == 1)
      #expect(found.first?.message.contains("'it' is invalid: ") == true)
      #expect(found.first?.reason.contains(expected) == true, "\(found.first?.reason ?? "")")
    } else {
      #expect(found.isEmpty, "\(found.first?.reason ?? "")")
    }
  }
}

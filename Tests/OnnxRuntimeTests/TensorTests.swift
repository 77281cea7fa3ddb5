import OnnxRuntime
import Testing

@Suite struct TensorTests {
  @Test func refusesValuesThatDoNotFillItsShape() {
    #expect(throws: RuntimeError.wrongCount(shape: [2, 3], expected: 6, actual: 5)) {
      try Tensor([Float](repeating: 0, count: 5), shape: [2, 3])
    }
    #expect(throws: RuntimeError.self) { try Tensor([] as [Float], shape: [-1]) }
    #expect(throws: RuntimeError.self) { try Tensor([] as [Float], shape: [Int.max, Int.max, 0]) }
  }

  @Test func keepsValues() throws {
    let t = try Tensor([1, -2, 3] as [Int64], shape: [3])
    #expect(t.values(Int64.self) == [1, -2, 3])
    #expect(t.values(Float.self) == nil)
    #expect(t.floats == [1, -2, 3])
    #expect(Tensor(scalar: Int64(7)).shape == [])
    #expect(Tensor(scalar: Int64(7)).bytes == [7, 0, 0, 0, 0, 0, 0, 0])
    #expect(try Tensor([true, false], shape: [2]).bytes == [1, 0])
  }

  @Test func roundsToHalfTypes() throws {
    let half = try Tensor(floats: [1, 0.1, 65504], shape: [3], as: .float16)
    #expect(half.bytes == [0x00, 0x3c, 0x66, 0x2e, 0xff, 0x7b])
    // 1 + 2⁻⁸ is halfway between two bfloat16 numbers: the even one is 1. 1 + 3·2⁻⁸ goes up.
    let brain = try Tensor(floats: [1.00390625, 1.01171875, -2, .infinity], shape: [4], as: .bfloat16)
    #expect(brain.floats == [1, 1.015625, -2, .infinity])
    #expect(try Tensor(floats: [.nan], shape: [1], as: .bfloat16).floats[0].isNaN)
  }
}

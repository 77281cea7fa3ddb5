import Foundation

/// JSON documents that begin with a schema: one place that says what is wrong with a file.
enum SchemaDocument {
  private struct Header: Decodable { var schema: String }

  static func decode<T: Decodable>(_: T.Type, schema: String, _ data: Data, file: String) throws(CalibrationError) -> T
  {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    guard let header = try? decoder.decode(Header.self, from: data) else {
      throw .malformed(file: file, reason: "no JSON document with a schema")
    }
    guard header.schema == schema else { throw .unsupportedSchema(file: file, found: header.schema) }
    do {
      return try decoder.decode(T.self, from: data)
    } catch DecodingError.keyNotFound(let key, let context) {
      throw .malformed(file: file, reason: "key \(key.stringValue) is missing at \(path(context))")
    } catch DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context),
      DecodingError.dataCorrupted(let context)
    {
      throw .malformed(file: file, reason: "a value at \(path(context)) is of the wrong kind")
    } catch {
      throw .malformed(file: file, reason: "\(error)")
    }
  }

  private static func path(_ context: DecodingError.Context) -> String {
    let keys = context.codingPath.map(\.stringValue).joined(separator: ".")
    return keys.isEmpty ? "the top" : keys
  }
}
